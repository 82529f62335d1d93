-- +goose Up
CREATE TABLE login_attempts (
  attempt_key TEXT     NOT NULL PRIMARY KEY,
  failures    INTEGER  NOT NULL,
  last_at     DATETIME NOT NULL
) WITHOUT ROWID;
CREATE INDEX login_attempts_last_at ON login_attempts (last_at);

-- +goose Down
DROP TABLE login_attempts;
