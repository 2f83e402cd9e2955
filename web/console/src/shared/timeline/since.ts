import { span } from '@/i18n/format.ts'

/** since writes a time after the begin: to the millisecond while that matters. */
export function since(ms: number): string {
  const sign = ms < 0 ? '−' : '+'
  return sign + length(Math.abs(ms))
}

/** length writes a duration: to the millisecond below ten seconds. */
export function length(ms: number): string {
  if (ms >= 1000 && ms < 10_000 && ms % 100 !== 0) return span(1000).replace('1.0', (ms / 1000).toFixed(3))
  return span(ms)
}
