import { expect, it } from 'vitest'
import { hasRole } from './session.ts'

it.each([
  [['admin'], 'viewer', true],
  [['resolver'], 'operator', true],
  [['operator'], 'resolver', false],
  [['viewer'], 'member', true],
  [['viewer'], 'decider', false],
  [['service'], 'decider', true],
  [['service'], 'viewer', false],
  [[], 'member', false],
] as const)('%s for %s: %s', (given, wanted, may) => expect(hasRole(given, wanted)).toBe(may))
