-- +goose Up
CREATE TABLE IF NOT EXISTS accounts (
  id            BIGINT           NOT NULL AUTO_INCREMENT,
  username      VARCHAR(64)      NOT NULL,
  username_key  VARCHAR(64)      NOT NULL,
  email         VARCHAR(254)     NOT NULL,
  email_key     VARCHAR(254)     NULL,
  password_hash VARCHAR(255)     NOT NULL,
  role          TINYINT UNSIGNED NOT NULL,
  active        BOOLEAN          NOT NULL,
  version       BIGINT           NOT NULL,
  created_at    DATETIME(6)      NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY username_key (username_key),
  UNIQUE KEY email_key (email_key)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS accounts;
