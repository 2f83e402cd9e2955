import { expect, it } from 'vitest'
import { whyNotMove } from './moving.ts'

it('says why a run cannot go on by another version', () => {
  const run = { status: 'Active', version: 2 } as const
  expect(whyNotMove(run, [2])).toBe('onlyVersion')
  expect(whyNotMove(run, [3, 2])).toBeUndefined()
  expect(whyNotMove(run, [1])).toBeUndefined()
  expect(whyNotMove(run, [])).toBeUndefined()
  expect(whyNotMove({ ...run, status: 'Committed' }, [3, 2])).toBe('itHasEnded')
  expect(whyNotMove({ ...run, status: 'RollingBack' }, [3, 2])).toBe('notNow')
})
