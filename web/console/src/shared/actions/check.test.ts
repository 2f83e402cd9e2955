import { expect, it } from 'vitest'
import { Refused } from '@/api/client.ts'
import { fieldProblem, reasonBytes, undecided } from './check.ts'

it('counts a reason in bytes, as the server does', () => {
  expect(reasonBytes(' ticket 4711 ')).toBe(11)
  expect(reasonBytes('工单')).toBe(6)
})

it.each([
  ['json', '{"a":1}', ''],
  ['json', '{a', 'not JSON'],
  ['json', '', ''],
  ['number', 'x', 'not a number'],
  ['number', '1.5', ''],
  ['text', 'anything', ''],
] as const)('%s: %s', (kind, value, problem) => {
  const found = fieldProblem({ name: 'n', label: 'l', kind }, value)
  if (problem) expect(found).toContain(problem)
  else expect(found).toBe('')
})

it('misses what is required', () => {
  expect(fieldProblem({ name: 'n', label: 'l', kind: 'text', required: true }, ' ')).not.toBe('')
})

it.each([
  [0, {}, true],
  [500, { code: 'internal' }, true],
  [504, {}, true],
  [409, { code: 'requestUnderWay', retryable: true }, true],
  [409, { code: 'planChanged' }, false],
  [422, { code: 'idempotencyKeyReused' }, false],
  [429, { retryable: true }, false],
])('an answer %i %o leaves it open: %s', (status, body, open) => {
  expect(undecided(new Refused(status, body))).toBe(open)
})
