package statement_test

import (
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/concord-tx/concord/client/at/schema"
	"github.com/concord-tx/concord/client/at/statement"
	"github.com/concord-tx/concord/client/at/undo"
)

// What the driver asks about a statement, and when.
func Example() {
	account := &schema.Table{
		Schema: "bank", Name: "account", Engine: "INNODB", Primary: []string{"id"},
		Columns: []schema.Column{
			{Name: "id", Type: schema.BigInt, MySQLType: "bigint(20)", AutoIncrement: true},
			{Name: "owner", Type: schema.VarChar, MySQLType: "varchar(40)"},
			{Name: "money", Type: schema.Decimal, MySQLType: "decimal(12,2)"},
		},
	}
	cache := statement.NewCache(statement.Options{})
	s := cache.Parse("UPDATE account SET money = money - ? WHERE owner = ?")[0]
	tables := statement.Tables{s.Tables()[0]: account} // loaded by their names
	args := []driver.NamedValue{{Ordinal: 1, Value: "5.00"}, {Ordinal: 2, Value: "ada"}}

	before, err := s.Before(tables, args)
	fmt.Println(before[0].SQL, before[0].Args[0].Value, err)

	// The driver runs the query, then the statement, and reads the rows again.
	row := undo.Row{Fields: []undo.Field{
		{Name: "id", Key: true, Value: int64(7)}, {Name: "money", Value: undo.Decimal("12.50")},
	}}
	was := []undo.Records{{Table: "account", Rows: []undo.Row{row}}}
	after, err := s.After(tables, args, was, statement.Result{Affected: 1})
	fmt.Println(after[0].SQL, after[0].Args[0].Value, err)
	fmt.Println(s.LockKeys(tables, was, was))

	risky := cache.Parse("UPDATE account SET money = 0 WHERE RAND() < 0.5")[0]
	var refused *statement.RefusedError
	fmt.Println(errors.As(risky.Refuse(tables, nil), &refused), refused.Reason, refused.Detail)
	// Output:
	// SELECT `account`.`id`, `account`.`money` FROM account WHERE owner = ? FOR UPDATE ada <nil>
	// SELECT `id`, `money` FROM `account` WHERE `id` IN (?) FOR UPDATE 7 <nil>
	// account:7
	// true volatile rand
}
