import { expect, it } from 'vitest'
import { edgesOf } from './edges.ts'

it('says at which sides there is more to scroll to', () => {
  const at = (scrollLeft: number, scrollWidth = 1000) => edgesOf({ scrollLeft, scrollWidth, clientWidth: 600 })
  expect(at(0)).toEqual({ left: false, right: true })
  expect(at(200)).toEqual({ left: true, right: true })
  expect(at(400)).toEqual({ left: true, right: false })
  expect(at(399.4)).toEqual({ left: true, right: false })
  expect(at(0, 600)).toEqual({ left: false, right: false })
})
