import { expect, test } from 'vitest'
import { alone } from './alone.ts'

test('a node that has joined nothing is alone; one that is left of a cluster is not', () => {
  expect(alone({ nodes: [{ id: 'a', epoch: 0 }] })).toBe(true)
  expect(alone({ nodes: [{ id: 'a', epoch: 3 }] })).toBe(false)
  expect(alone({ nodes: [{ id: 'a', epoch: 0 }, { id: 'b' }] })).toBe(false)
  expect(alone({})).toBe(false)
})
