// The dictionaries of the console ask the browser which language it prefers. Tests that import them run in Node, of
// which old versions know nothing of it; they name the language that they mean.
if (!('navigator' in globalThis)) {
  Object.defineProperty(globalThis, 'navigator', { value: { language: 'en' }, configurable: true })
}
