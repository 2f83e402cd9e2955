import { expect, it } from 'vitest'
import { chosenOf } from './Sections.tsx'

it('takes the section of the address, and the first one for anything else', () => {
  const of = (query: string) => chosenOf(new URLSearchParams(query), ['log', 'groups'], 'log')
  expect(of('tab=groups')).toBe('groups')
  expect(of('tab=mistaken')).toBe('log')
  expect(of('')).toBe('log')
})
