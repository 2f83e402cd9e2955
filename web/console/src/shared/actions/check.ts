import { Refused } from '@/api/client.ts'
import { say } from '@/i18n'
import type { Field } from './model.ts'
import { words } from './words.ts'

/** reasonBytesMax is the longest reason that the server takes; see web/limits.go. */
export const reasonBytesMax = 160

/** reasonBytes is the length of a reason as the server counts it. */
export function reasonBytes(text: string): number {
  return new TextEncoder().encode(text.trim()).length
}

/** fieldProblem says what is wrong with a value that a dialog asks for; empty if nothing is. */
export function fieldProblem(field: Field, value: string): string {
  const text = value.trim()
  if (text === '') return field.required ? say(words, 'missing') : ''
  if (field.kind === 'number') return Number.isFinite(Number(text)) ? '' : say(words, 'notNumber')
  if (field.kind !== 'json') return ''
  try {
    JSON.parse(text)
    return ''
  } catch (error) {
    return say(words, 'notJson', { why: error instanceof Error ? error.message : '' })
  }
}

/** undecided says whether a failure leaves open if what was sent is carried out: silence, an error of the server or of
 * a proxy before it, or that it is at it still. A refusal has changed nothing. */
export function undecided(failure: unknown): boolean {
  if (!(failure instanceof Refused)) return true
  return failure.status < 400 || failure.status >= 500 || failure.code === 'requestUnderWay'
}
