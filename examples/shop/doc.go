// Command shop is a shop of three services that sell something together: the order service writes the order, the stock
// service takes the goods, the account service takes the money. Each has a database and an HTTP address of its own, and
// either all three do their part or none does.
//
//	go run ./examples/shop --mode tcc                # nothing needs to be installed
//	go run ./examples/shop --mode saga --refuse 0.2  # every fifth customer cannot pay
//	go run ./examples/shop --mode at --dsn 'root@tcp(127.0.0.1:3306)/' --lose 0.1 --kill 5s
//
// It starts a coordinator in development mode, prints where its console is, places orders, says each second how far it
// is, and at the end whether goods and money are still all there. With --seata and --api it uses a coordinator that
// runs already.
//
// Read book.go for what a service keeps, then sql.go (AT and XA), tcc.go and saga.go for the three ways to take part,
// and order.go for who begins and ends the transaction. service.go has the HTTP around it, load.go the customers and
// the judge, progress.go what is told of them.
package main
