-- The one row of this table, with ID 1, appears with the first account and never goes.

-- +goose Up
CREATE TABLE IF NOT EXISTS founding (
  id TINYINT UNSIGNED NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS founding;
