/** What a stream is in: connecting at first, live while it speaks, stale when it has been silent or was lost. */
export type Liveness = 'connecting' | 'live' | 'stale'

export interface StreamOptions<T> {
  /** Names of events that are taken besides unnamed ones. */
  events?: readonly string[]
  /** Takes what came, the name of the event and its id. */
  onMessage: (value: T, event: string, id: string) => void
  onLiveness?: (state: Liveness) => void
  /** Milliseconds of silence after which the stream counts as lost; heartbeats are not seen here. */
  quietMs?: number
  /** The path to open it again with after what has the id; absent: it is opened as at first. */
  resume?: (path: string, id: string) => string
}

const pauseFirst = 1000
const pauseMax = 15_000

/** openStream follows server-sent events of JSON until the function that it returns is called. A lost stream is opened
 * again with growing pauses; the browser sends Last-Event-ID only within one connection, so each opening tells the
 * state anew. */
export function openStream<T>(path: string, options: StreamOptions<T>): () => void {
  let source: EventSource | undefined
  let closed = false
  let pause = pauseFirst
  let retry: ReturnType<typeof setTimeout> | undefined
  let quiet: ReturnType<typeof setTimeout> | undefined
  let state: Liveness | undefined
  let last = ''

  const set = (next: Liveness) => {
    if (next === state) return
    state = next
    options.onLiveness?.(next)
  }
  const lost = () => {
    source?.close()
    clearTimeout(quiet)
    if (closed) return
    set('stale')
    clearTimeout(retry)
    retry = setTimeout(open, pause)
    pause = Math.min(2 * pause, pauseMax)
  }
  // A connection that is gone without a word is silent, and no error tells of it.
  const listen = () => {
    clearTimeout(quiet)
    if (options.quietMs) quiet = setTimeout(lost, options.quietMs)
  }
  const heard = () => {
    pause = pauseFirst
    set('live')
    listen()
  }
  const open = () => {
    source = new EventSource(last && options.resume ? options.resume(path, last) : path)
    listen()
    source.onopen = () => set('live')
    const take = (event: MessageEvent<string>) => {
      heard()
      last = event.lastEventId || last
      options.onMessage(JSON.parse(event.data) as T, event.type, event.lastEventId)
    }
    source.onmessage = take
    for (const name of options.events ?? []) source.addEventListener(name, take as EventListener)
    source.onerror = lost
  }
  set('connecting')
  open()
  return () => {
    closed = true
    clearTimeout(retry)
    clearTimeout(quiet)
    source?.close()
  }
}
