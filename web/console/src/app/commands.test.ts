import { describe, expect, it } from 'vitest'
import { targetsOf } from './commands.ts'
import { inside } from './SignIn.tsx'

describe('targets of the palette', () => {
  it('takes an xid and its number for the same', () => {
    expect(targetsOf(' 127.0.0.1:8091:4194305 ')[0]?.to).toBe('/transactions/4194305')
    expect(targetsOf('4194305').map((x) => x.to)).toEqual(['/transactions/4194305', '/runs/4194305'])
    expect(targetsOf('[::1]:8091:4194305')[0]?.to).toBe('/transactions/4194305')
  })

  it('searches for the rest', () => {
    expect(targetsOf('app:shop age>5m')[0]?.to).toBe('/transactions?q=app%3Ashop%20age%3E5m')
    expect(targetsOf('  ')).toEqual([])
  })
})

describe('the way back after the sign-in', () => {
  it.each([
    ['/transactions?q=x', '/transactions?q=x'],
    ['//evil.example', '/'],
    ['/\\evil.example', '/'],
    ['https://evil.example', '/'],
    ['/\t/evil.example', '/'],
    ['/\n\\evil.example', '/'],
    ['/sign-in?to=/', '/'],
    [null, '/'],
  ])('%s leads to %s', (to, path) => expect(inside(to)).toBe(path))
})
