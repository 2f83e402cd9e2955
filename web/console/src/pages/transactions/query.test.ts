import { describe, expect, it } from 'vitest'
import { exportAddress, jobFilterOf, paramsOf, searchOf } from './query.ts'
import { parse } from './search.ts'

const now = Date.parse('2026-01-31T15:00:00Z')
const of = (text: string) => parse(text).filter

describe('what the API is asked', () => {
  it('has times in the place of ages', () => {
    expect(paramsOf(of('app:shop stuck age<1h age>5m'), now)).toEqual({
      application: 'shop',
      stuck: true,
      since: '2026-01-31T14:00:00.000Z',
      until: '2026-01-31T14:55:00.000Z',
    })
  })

  it('has the name of a saga once', () => {
    expect(paramsOf(of('saga:order name:order key:k'), now)).toEqual({ saga: 'order', key: 'k' })
  })

  it('leads to an export of the same', () => {
    expect(exportAddress(of('app:"a b" live'), 'csv', now)).toBe(
      '/api/v1/transactions/export?format=csv&live=true&application=a+b',
    )
  })
})

describe('a job', () => {
  it('keeps ages, which count when it is planned', () => {
    expect(jobFilterOf(of('status:Active age>1d from:2026-01-01T00:00:00Z'))).toEqual({
      status: 'Active',
      since: '2026-01-01T00:00:00Z',
      until: '86400s',
    })
  })

  it.each([
    'stuck app:shop age<3600s',
    'saga:order key:k kind:TCC',
    'from:2026-01-01T00:00:00Z to:2026-01-02T00:00:00Z',
  ])('%s leads back to its search', (text) => expect(of(searchOf(jobFilterOf(of(text))))).toEqual(of(text)))
})
