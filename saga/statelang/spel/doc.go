// Package spel reads and evaluates the part of Spring's expression language that definitions in Seata's state-machine
// language use.
//
// What it knows: reading the root by [key], ['key'] and .name; #root and #this; literals of text, int, long and double,
// true, false and null; == != < <= > >= and their names (eq, ne, ...); && || ! and and, or, not; + - * / % and div,
// mod; .size(), .length(), .isEmpty(); a ? b : c, a ?: b, a?.b; selection .?[ ], first .^[ ] and last .$[ ],
// projection .![ ]. What else the language has, most of all types, beans, constructors and other methods, is refused
// when the text is read, with the reason: a definition must not reach into the process that runs it.
//
// Values are nil, bool, int32, int64, float64, string, []any and map[string]any. Other Go integers, float32 and
// json.Number are taken as the Java type that their value would have in a JSON text.
//
// # Invariants
//
//   - Parse and Eval are pure, never panic, and are bounded in length, depth, steps and text made.
//   - Each result is the one that Java gives: testdata has what spring-expression 5.3.39 answered on JDK 17, and the
//     tests compare. Four things differ knowingly: .name reads a key of a map, because here an object of a service is a
//     map; maps are gone through in the order of their keys, and are not made text; variables besides #root and #this
//     are refused.
//
// # Where to start reading
//
// parser.go has the grammar, eval.go what a node means, operators.go Java's arithmetic, comparison and equality.
package spel
