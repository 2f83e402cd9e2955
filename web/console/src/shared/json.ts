/** Piece is a part of a JSON text with one meaning. */
export interface Piece {
  readonly kind: 'key' | 'string' | 'number' | 'word' | 'masked' | 'plain'
  readonly text: string
}

/** maskText is what the server puts in the place of what a rule hides; see web/mask.go. */
export const maskText = '•••'

/** prettyOf writes a value, or a text that is JSON, with indentation. What is no JSON stays as it is. */
export function prettyOf(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value, null, 2) ?? ''
  try {
    const parsed: unknown = JSON.parse(value)
    return typeof parsed === 'object' && parsed !== null ? JSON.stringify(parsed, null, 2) : value
  } catch {
    return value
  }
}

const token = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g

/** piecesOf takes a JSON text apart for colouring. */
export function piecesOf(text: string): Piece[] {
  const out: Piece[] = []
  let end = 0
  for (const found of text.matchAll(token)) {
    if (found.index > end) out.push({ kind: 'plain', text: text.slice(end, found.index) })
    const [whole, quoted, colon, number] = found
    if (quoted !== undefined && colon !== undefined) {
      out.push({ kind: 'key', text: quoted }, { kind: 'plain', text: colon })
    } else if (quoted === `"${maskText}"`) out.push({ kind: 'masked', text: maskText })
    else
      out.push({
        kind: quoted !== undefined ? 'string' : number !== undefined ? 'number' : 'word',
        text: whole,
      })
    end = found.index + whole.length
  }
  if (end < text.length) out.push({ kind: 'plain', text: text.slice(end) })
  return out
}
