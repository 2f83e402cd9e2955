package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// cascadesQuery reads the foreign keys of all databases that change rows by themselves. MariaDB has to open every table
// for it, also if it is asked about one; so it is asked about all, and seldom.
const cascadesQuery = `SELECT CONVERT(r.UNIQUE_CONSTRAINT_SCHEMA USING utf8mb4),
 CONVERT(r.REFERENCED_TABLE_NAME USING utf8mb4),
 CONVERT(CONCAT(r.CONSTRAINT_SCHEMA, '.', r.TABLE_NAME, '.', r.CONSTRAINT_NAME) USING utf8mb4)
 FROM information_schema.REFERENTIAL_CONSTRAINTS r
 WHERE r.DELETE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT')
 OR r.UPDATE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT')`

// cascades are the names of foreign keys by the table that they refer to.
type cascades map[string][]string

// cascadesKey folds case: a foreign key too many is better than one too few.
func cascadesKey(schema, table string) string { return strings.ToLower(schema + "\x00" + table) }

// of returns those of a table.
func (c cascades) of(t *Table) []string { return c[cascadesKey(t.Schema, t.Name)] }

func loadCascades(ctx context.Context, q Queryer) (cascades, error) {
	rows, err := q.Rows(ctx, cascadesQuery)
	if err != nil {
		return nil, fmt.Errorf("load foreign keys: %w", err)
	}
	all := make(cascades)
	for _, row := range rows {
		if len(row) != 3 {
			return nil, fmt.Errorf("load foreign keys: a row of %d columns", len(row))
		}
		key := cascadesKey(text(row[0]), text(row[1]))
		all[key] = append(all[key], text(row[2]))
	}
	for _, names := range all {
		slices.Sort(names)
	}
	return all, nil
}
