/** How long anything may take that is waited for; nothing takes nearly as long on a quiet machine. */
export const patience = 60_000

/** A pause between two looks at something. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => {
    setTimeout(done, milliseconds)
  })
}

/**
 * Looks again and again until what it sees is something, and gives that back. It fails with `what` when its time is
 * over.
 */
export async function until<T>(
  what: string | (() => string),
  look: () => Promise<T | undefined | false | null> | T | undefined | false | null,
  atMost: number = patience,
): Promise<T> {
  const end = Date.now() + atMost
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false && seen !== null) {
      return seen
    }
    if (Date.now() > end) {
      throw new Error(`waited ${atMost} ms in vain: ${typeof what === 'string' ? what : what()}`)
    }
    await pause(25)
  }
}
