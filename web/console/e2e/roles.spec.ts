import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import type { APIRequestContext } from 'playwright-core'
import { codeOf } from './harness/client.ts'
import { expectNoise, open, secured, seedOn } from './harness.ts'

/** A route of the table in docs/SECURITY.md. */
interface Route {
  method: string
  path: string
  role: string
}

const document = fileURLToPath(new URL('../../../docs/SECURITY.md', import.meta.url))

/** routes reads the table that a Go test holds to the routes that there are. */
function routes(): Route[] {
  const text =
    readFileSync(document, 'utf8').split('<!-- roles -->')[1]?.split('<!-- end of roles -->')[0] ?? ''
  return [...text.matchAll(/^\| `([A-Z]+) ([^`]+)` \| (\w+) \|/gm)].map(([, method, path, role]) => ({
    method: method ?? '',
    path: path ?? '',
    role: role ?? '',
  }))
}

const changing = routes().filter((one) => !['GET', 'HEAD'].includes(one.method))

/** What a viewer may send although it is no GET: it changes nothing, is only about himself, or is judged by more. */
const his = new Set([
  'POST /api/v1/sagas/review',
  'POST /api/v1/sagas/simulate',
  'POST /auth/session',
  'POST /auth/logout',
  'POST /api/v1/sagas/runs/{xid}/approvals/{step}', // whom the definition names; he is not, see below
  'POST /api/v1/views',
  'PUT /api/v1/views/{view}',
  'DELETE /api/v1/views/{view}', // his own, not shared, see below
])

/** What routes name, so that no answer is 404 because there is no such thing. */
const names: Record<string, string> = { step: 'wait', saga: '', group: 'mail', key: 'first', signal: 'paid' }

describe('what a viewer may not do cannot be done by the API either', () => {
  let active = ''
  let run = ''
  let csrf = ''
  let session: APIRequestContext

  beforeAll(async () => {
    const seeds = seedOn(await secured())
    active = (await seeds.active()).id
    const waiting = await seeds.sagaWaiting('approval')
    run = waiting.id
    names['saga'] = waiting.saga
    await seeds.group('mail')
  })

  /** signedIn opens a page as a viewer, whose cookie the requests have; each test needs its own. */
  async function signedIn(): Promise<void> {
    const page = await open('/api/v1/me', { role: 'viewer' })
    expectNoise(page, /favicon/)
    session = page.context().request
    csrf = ((await (await session.get('/api/v1/me')).json()) as { csrfToken: string }).csrfToken
    expect(csrf).not.toBe('')
  }

  async function send(
    method: string,
    path: string,
    data: object = {},
  ): Promise<{ status: number; code: string }> {
    const server = await secured()
    const headers = { 'X-CSRF-Token': csrf, 'Sec-Fetch-Site': 'same-origin' }
    const answer = await session.fetch(server.base + path, { method, headers, data, maxRedirects: 0 })
    return { status: answer.status(), code: codeOf(await answer.text()) }
  }

  /** real puts names into a path. */
  function real(path: string): string {
    const xid = path.startsWith('/api/v1/sagas/') ? run : active
    return path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) =>
      name === 'xid' ? xid : (names[name] ?? '1'),
    )
  }

  test('the table has all routes', () => {
    expect(changing.length).toBeGreaterThan(40)
    expect(changing.map((one) => `${one.method} ${one.path}`)).toEqual(expect.arrayContaining([...his]))
  })

  test('each changing route is refused with 403 roleMissing', async () => {
    await signedIn()
    const wrong: string[] = []
    for (const { method, path } of changing.filter((one) => !his.has(`${one.method} ${one.path}`))) {
      if (path.startsWith('/api/v1/playground')) {
        continue // it is there with --dev alone, see the next test
      }
      const got = await send(method, real(path))
      if (got.status !== 403 || got.code !== 'roleMissing') {
        wrong.push(`${method} ${path}: ${got.status} ${got.code}`)
      }
    }
    expect(wrong).toEqual([])
  })

  test('there is no playground where people need roles', async () => {
    await signedIn()
    for (const path of ['/api/v1/playground', '/api/v1/playground/order']) {
      expect((await send('POST', path)).status).toBeGreaterThanOrEqual(403)
    }
  })

  test('he answers no approval of a saga', async () => {
    await signedIn()
    const answer = await send('POST', `/api/v1/sagas/runs/${run}/approvals/wait`, { approve: true })
    expect(answer).toEqual({ status: 403, code: 'approvalOthers' })
  })

  test('he saves views for himself, shares none, and changes none of others', async () => {
    await signedIn()
    const server = await secured()
    const view = { list: 'transactions', name: 'mine', query: 'stuck', columns: [], shared: false }
    const shared = { ...view, name: 'for all', shared: true }
    const { id } = await server.client('operator').post<{ id: string }>('/views', shared)
    expect((await send('POST', '/api/v1/views', view)).status).toBe(201)
    expect(await send('POST', '/api/v1/views', shared)).toEqual({ status: 403, code: 'roleMissing' })
    expect((await send('PUT', `/api/v1/views/${id}`, view)).status).toBe(403)
    expect((await send('DELETE', `/api/v1/views/${id}`)).status).toBe(403)
  })

  test('nothing has changed by all that', async () => {
    const seeds = seedOn(await secured())
    expect((await seeds.transaction(active)).status).toBe('Active')
    expect((await seeds.run(run)).waits.map((one) => one.step)).toEqual(['wait'])
    const { items } = await (await secured()).client('admin').get<{ items: { id: string }[] }>('/keys')
    expect(items.length).toBeGreaterThan(5)
  })

  test('a request without the token of the session is refused, whatever the role', async () => {
    const page = await open('/api/v1/me', { role: 'admin' })
    expectNoise(page, /favicon/)
    const server = await secured()
    const answer = await page.context().request.post(`${server.base}/api/v1/keys`, {
      headers: { 'Sec-Fetch-Site': 'same-origin' },
      data: { name: 'x', roles: ['admin'] },
    })
    expect([answer.status(), codeOf(await answer.text())]).toEqual([403, 'requestForged'])
  })

  test('what an operator may not do is refused to him', async () => {
    const client = (await secured()).client('operator')
    const above = changing.filter(
      (one) =>
        ['resolver', 'admin', 'service'].includes(one.role) && !one.path.startsWith('/api/v1/playground'),
    )
    const wrong: string[] = []
    for (const { method, path } of above) {
      const got = await client.send(method, real(path), {})
      if (got.status !== 403 || codeOf(got.text) !== 'roleMissing') {
        wrong.push(`${method} ${path}: ${got.status} ${codeOf(got.text)}`)
      }
    }
    expect(wrong).toEqual([])
  })
})
