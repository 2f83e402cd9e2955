import type { Schemas } from '@/api/client.ts'

/** matching returns the entries in which all the words occur, each with its number. */
export function matching(
  entries: readonly Schemas['HistoryEntry'][],
  text: string,
): { n: number; entry: Schemas['HistoryEntry'] }[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  return entries
    .map((entry, i) => ({ n: i + 1, entry }))
    .filter(({ entry }) => {
      const whole = `${entry.event ?? ''} ${entry.branch ?? ''} ${entry.text ?? ''}`.toLowerCase()
      return words.every((word) => whole.includes(word))
    })
}
