import { expect, it } from 'vitest'
import { nowhere } from './cursor.ts'
import { keep, kept } from './kept.ts'

it('remembers a row with the entry of the history, beside what others keep there', () => {
  history.replaceState({ key: 'k', idx: 3 }, '')
  expect(kept('Runs')).toBe(nowhere)
  keep('Runs', { id: '7', index: 2 })
  expect(history.state).toMatchObject({ key: 'k', idx: 3 })
  expect(kept('Runs')).toEqual({ id: '7', index: 2 })
  expect(kept('Jobs')).toBe(nowhere)
  history.pushState({ key: 'l' }, '', '#other')
  expect(kept('Runs')).toBe(nowhere)
})
