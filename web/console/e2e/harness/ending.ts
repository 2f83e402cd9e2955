/** What has to be ended when this process ends, however that comes. */
const endings = new Set<() => void>()
let watching = false

/** Has `end` called when the process ends before it was taken back. It may not wait for anything. */
export function endWithProcess(end: () => void): () => void {
  endings.add(end)
  watch()
  return () => {
    endings.delete(end)
  }
}

/** The process ends by itself, by a signal, or because Vitest that has started it is gone. */
function watch(): void {
  if (watching) {
    return
  }
  watching = true
  const all = (): void => {
    for (const end of endings) {
      end()
    }
    endings.clear()
  }
  process.on('exit', all)
  process.on('disconnect', () => {
    all()
    process.exit(1)
  })
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      all()
      process.exit(code)
    })
  }
}
