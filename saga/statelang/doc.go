// Package statelang reads, checks and writes definitions in Seata's state-machine language, and says what they mean.
package statelang
