package undo_test

import (
	"fmt"

	"github.com/concord-tx/concord/client/at/undo"
)

// A row of undo_log that a service in Java wrote, as somebody sees it who wants to know what a branch has changed.
func ExampleDecode() {
	const context = "serializer=jackson&compressorType=NONE"
	info := `{"@class":"org.apache.seata.rm.datasource.undo.BranchUndoLog","xid":"10.0.0.1:8091:42","branchId":43,` +
		`"sqlUndoLogs":["java.util.ArrayList",[{"@class":"org.apache.seata.rm.datasource.undo.SQLUndoLog",` +
		`"sqlType":"DELETE","tableName":"stock","beforeImage":` +
		`{"@class":"org.apache.seata.rm.datasource.sql.struct.TableRecords","tableName":"stock","rows":` +
		`["java.util.ArrayList",[{"@class":"org.apache.seata.rm.datasource.sql.struct.Row","fields":` +
		`["java.util.ArrayList",[{"@class":"org.apache.seata.rm.datasource.sql.struct.Field","name":"id",` +
		`"keyType":"PRIMARY_KEY","type":-5,"value":["java.lang.Long",7]},` +
		`{"@class":"org.apache.seata.rm.datasource.sql.struct.Field","name":"since","keyType":"NULL","type":93,` +
		`"value":["java.sql.Timestamp",1700000000123]}]]}]]},"afterImage":null}]]}`
	log, err := undo.Decode(context, []byte(info), undo.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range log.Statements {
		for _, row := range s.Before.Rows {
			for _, f := range row.Fields {
				fmt.Printf("%s %s.%s: %v\n", s.Type, s.Table, f.Name, f.Value)
			}
		}
	}
	// Output:
	// DELETE stock.id: 7
	// DELETE stock.since: 2023-11-14 22:13:20.123
}
