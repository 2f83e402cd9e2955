// Package console is the console as browsers get it: the files that `make web` builds from this directory into dist, in
// the binary, and what serves them.
//
// # Invariants
//
//   - The page may run and load what this server sends and nothing else. Styles that its libraries write while they run
//     carry a nonce that is new in each answer, so the page itself is stored nowhere.
//   - Files keep their names from build to build. So they are kept by browsers, but asked for each time, and answered
//     with 304 while their content is the same.
//   - Each path that a browser opens as a page is the page: which one is shown is decided there. A file that does not
//     exist is never answered with the page.
//   - The files hold no data. What they show comes from the API, which wants to know who asks.
//
// # Where to start reading
//
// [Console.Serve]; the sources of the page are in src, docs/CONSOLE.md says how they are worked on.
package console
