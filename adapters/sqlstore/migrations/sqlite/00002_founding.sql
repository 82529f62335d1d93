-- The one row of this table, with ID 1, appears with the first account and never goes.

-- +goose Up
CREATE TABLE founding (
  id INTEGER NOT NULL PRIMARY KEY
);

-- +goose Down
DROP TABLE founding;
