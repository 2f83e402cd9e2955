import { expect, it } from 'vitest'
import { requestOf, type Draft } from './draft.ts'

const draft: Draft = {
  name: ' shop ',
  roles: ['service'],
  applications: '',
  groups: '',
  days: '',
  note: '',
  reason: '',
  requestsPerSecond: 0,
  beginsPerSecond: 0,
  liveMax: 0,
}

it('leaves out what is not restricted', () => {
  expect(requestOf(draft, 0)).toEqual({ name: 'shop', roles: ['service'] })
})

it('says all that was filled in', () => {
  const full = {
    ...draft,
    applications: 'shop, stock，pay',
    groups: 'mails',
    days: '30',
    note: 'n',
    reason: 'r',
    liveMax: 5,
  }
  expect(requestOf(full, 0)).toEqual({
    name: 'shop',
    roles: ['service'],
    applications: ['shop', 'stock', 'pay'],
    groups: ['mails'],
    limits: { requestsPerSecond: 0, beginsPerSecond: 0, liveMax: 5 },
    expiresAt: '1970-01-31T00:00:00.000Z',
    note: 'n',
    reason: 'r',
  })
})
