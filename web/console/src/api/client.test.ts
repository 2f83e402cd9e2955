import { afterEach, expect, it, vi } from 'vitest'
import { api, ask, Refused, whenForged } from './client.ts'

// The addresses of the API have no host; browsers know which one is meant.
vi.hoisted(() => {
  const { Request } = globalThis
  globalThis.Request = class extends Request {
    constructor(input: RequestInfo | URL, init?: RequestInit) {
      super(typeof input === 'string' ? new URL(input, 'http://localhost') : input, init)
    }
  }
})

afterEach(() => {
  vi.unstubAllGlobals()
  whenForged(() => {})
})

it.each([
  [403, 'requestForged', 1],
  [403, 'forbidden', 0],
  [401, 'notSignedIn', 0],
])('a refusal %i %s has the token asked for again %i times', async (status, code, times) => {
  const renew = vi.fn<() => void>()
  whenForged(renew)
  const said = { status, code, title: 'No.' }
  const headers = { 'Content-Type': 'application/json' }
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify(said), { status, headers })))
  const asked = ask(api.POST('/api/v1/jobs/{job}/cancel', { params: { path: { job: '1' } } }))
  await expect(asked).rejects.toMatchObject({ status, code } satisfies Partial<Refused>)
  expect(renew).toHaveBeenCalledTimes(times)
})
