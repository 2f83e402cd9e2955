import { expect, it } from 'vitest'
import { fieldProblem, reasonBytes } from './check.ts'

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
