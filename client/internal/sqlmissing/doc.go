// Package sqlmissing knows databases' errors about tables that are not there, which packages answer with advice: see
// [Table].
package sqlmissing
