package sqlwrap

import (
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// ResourceID returns how Seata's Java client names the database of a configuration with MySQL's driver: its JDBC URL
// without parameters. A socket is taken for the machine itself at the usual port.
func ResourceID(c *mysql.Config) string {
	address := c.Addr
	if c.Net == "unix" || strings.HasPrefix(address, "/") {
		address = "127.0.0.1:3306"
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), "3306")
	}
	return "jdbc:mysql://" + address + "/" + c.DBName
}
