import { describe, expect, it } from 'vitest'
import { fieldOf, rangeOf, timeOf, withRange } from './range.ts'

describe('the range of times', () => {
  it('takes the place of the one before', () => {
    expect(withRange('app:shop age<1h stuck', { younger: '15m' })).toBe('app:shop age<15m stuck')
    expect(withRange('age<1h live', { from: '2026-01-31T00:00:00Z' })).toBe('live from:2026-01-31T00:00:00Z')
    expect(withRange('from:2026-01-31 live to:2026-02-01', {})).toBe('live')
    expect(withRange('age>5m', { to: '2026-01-31T00:00:00Z' })).toBe('to:2026-01-31T00:00:00Z')
  })

  it('is read from the text', () => {
    expect(rangeOf('live age<15m')).toEqual({ younger: '15m' })
    expect(rangeOf('from:2026-01-31T00:00:00Z')).toEqual({ from: '2026-01-31T00:00:00Z' })
  })

  it('fits the field for times and back', () => {
    expect(fieldOf('2026-01-31T15:04:05Z', true)).toBe('2026-01-31T15:04:05')
    for (const utc of [true, false]) {
      expect(timeOf(fieldOf('2026-01-31T15:04:05Z', utc), utc)).toBe('2026-01-31T15:04:05Z')
    }
    expect(timeOf('', false)).toBeUndefined()
  })
})
