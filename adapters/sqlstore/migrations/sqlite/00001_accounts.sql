-- +goose Up
CREATE TABLE accounts (
  id            INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT,
  username      TEXT     NOT NULL,
  username_key  TEXT     NOT NULL UNIQUE,
  email         TEXT     NOT NULL,
  email_key     TEXT     NULL UNIQUE,
  password_hash TEXT     NOT NULL,
  role          INTEGER  NOT NULL,
  active        BOOLEAN  NOT NULL,
  version       INTEGER  NOT NULL,
  created_at    DATETIME NOT NULL
);

-- +goose Down
DROP TABLE accounts;
