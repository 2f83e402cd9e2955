// What could not be loaded, and when that was. The bundler says so by an event before it throws.
const times = new WeakMap<object, number>()
let broken: Error | undefined

const texts =
  /dynamically imported module|Unable to preload CSS|Importing a module script failed|error loading dynamically/i

function note(error: Error): void {
  broken ??= error
  if (!times.has(error)) times.set(error, Date.now())
}

if (typeof window !== 'undefined') {
  addEventListener('vite:preloadError', (event) => {
    const { payload } = event as Event & { payload?: unknown }
    if (payload instanceof Error) note(payload)
  })
}

/** unloadedAt returns when code could not be fetched; undefined if an error is another one. */
export function unloadedAt(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined
  if (!times.has(error) && texts.test(error.message)) note(error)
  return times.get(error)
}

/** loading fetches code, and remembers a failure. After one, nothing more is fetched into the document: the browser
 * and the bundler keep what has failed, style sheets too, so that only loading it anew gives whole pages. */
export async function loading<T>(load: () => Promise<T>): Promise<T> {
  if (broken) throw broken
  try {
    return await load()
  } catch (cause) {
    const error = cause instanceof Error ? cause : new Error(String(cause))
    note(error)
    throw error
  }
}

/** forget is for tests: a document without failures. */
export function forget(): void {
  broken = undefined
}
