-- +goose Up
CREATE TABLE IF NOT EXISTS login_attempts (
  attempt_key VARCHAR(64) NOT NULL,
  failures    INT         NOT NULL,
  last_at     DATETIME(6) NOT NULL,
  PRIMARY KEY (attempt_key),
  KEY last_at (last_at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS login_attempts;
