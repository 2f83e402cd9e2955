import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import {
  api,
  axe,
  expectNoise,
  fourEyes,
  keys,
  noises,
  open,
  Refusal,
  secured,
  seed,
  seedOn,
  until,
} from './harness.ts'

describe('seeds bring a server into states', () => {
  test('transactions', async () => {
    expect((await seed.committed()).status).toBe('Committed')
    expect((await seed.rolledBack()).status).toBe('RolledBack')
    expect((await seed.message()).status).toBe('Committed')
    const active = await seed.active({ branches: 3 })
    expect([active.status, active.branches.length]).toEqual(['Active', 3])
    const retrying = await seed.retrying()
    expect(retrying.branches.map((one) => one.failure ?? '').join()).toContain('the database is away')
  })

  test('a stuck transaction ends when it is mended and tried again', async () => {
    const stuck = await seed.stuck()
    expect(stuck.branches.map((one) => one.failure ?? '').join()).toContain('the warehouse is closed')
    stuck.mend()
    const client = await api()
    const plan = await client.post<{ digest: string }>(`/transactions/${stuck.id}/plan`, { action: 'retry' })
    await client.post(`/transactions/${stuck.id}/operations`, {
      action: 'retry',
      digest: plan.digest,
      reason: 'open',
    })
    await until('it has ended', async () => (await seed.transaction(stuck.id)).status === 'Committed')
  })

  test('sagas', async () => {
    expect((await seed.sagaDone()).outcome).toBe('done')
    expect((await seed.sagaCompensated()).outcome).toBe('failed')
    expect((await seed.sagaStuck()).steps.map((step) => step.undo?.state ?? '')).toContain('refused')
    expect((await seed.sagaStuckBehindPivot()).stuck).toBe(true)
    for (const kind of ['approval', 'signal', 'timer', 'worker'] as const) {
      expect((await seed.sagaWaiting(kind)).status, kind).toBe('Active')
    }
  })

  test('what only the playground can do', async () => {
    expect((await seed.locked(20)).length).toBeGreaterThanOrEqual(3)
    expect((await seed.deadLetters(2)).letters.length).toBeGreaterThanOrEqual(2)
    await seed.everything()
  })

  test('jobs and approvals', async () => {
    expect((await seed.jobRunning(3)).state).toBe('running')
    const seeds = seedOn(await fourEyes())
    const asked = await seeds.approval()
    const own = (await fourEyes()).client('resolver')
    const answer = { digest: asked.digest, reason: 'so be it' }
    await expect(own.post(`/approvals/${asked.id}/approve`, answer)).rejects.toThrow(Refusal)
    await (await fourEyes()).client('second').post(`/approvals/${asked.id}/approve`, answer)
    await until('it has ended', async () => (await seeds.transaction(asked.held.id)).status === 'Committed')
  })
})

test('a viewer has a session and may change nothing', async () => {
  const page = await open('/api/v1/me', { role: 'viewer' })
  expectNoise(page, /favicon/) // this is no page of the console
  expect(await page.evaluate(() => document.body.innerText)).toContain('"roles":["viewer"]')
  await expect((await api('viewer')).post('/transactions', {})).rejects.toThrow('roleMissing')
})

test('a server can stand still, go down and come back with its data', async () => {
  const server = await secured()
  const seeds = seedOn(server)
  const { id } = await seeds.committed()
  await server.down()
  await server.up()
  expect((await seeds.transaction(id)).status).toBe('Committed')
})

describe('what pages do besides is found', () => {
  const html = createServer((request, response) => {
    const style = "default-src 'self'; script-src 'self' 'unsafe-inline'"
    response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Security-Policy': style })
    response.end(request.url === '/bad' ? bad : good)
  })
  const listening = new Promise<string>((done) => {
    html.listen(0, '127.0.0.1', () => {
      done(`http://127.0.0.1:${(html.address() as AddressInfo).port}`)
    })
  })
  afterAll(() => html.close())
  const good =
    '<!DOCTYPE html><html lang="en"><title>Good</title><link rel="icon" href="/icon.svg">' +
    '<main><h1>Good</h1><a href="#one">One</a> <label>Two <input></label> <button>Three</button></main></html>'
  const bad =
    '<!DOCTYPE html><html><title>Bad</title><link rel="icon" href="/icon.svg"><p style="color:#eee">Bad</p>' +
    '<img src="http://localhost:9/x.png"><script>' +
    'console.warn("hear"); setTimeout(() => { throw new Error("oops") })</script></html>'

  test('errors, words on the console, violations of the policy, requests to others', async () => {
    const page = await open('about:blank')
    await page.goto(`${await listening}/bad`)
    const seen = await until('all are there', () => {
      const kinds = new Set(noises(page).map((one) => one.kind))
      return (
        kinds.has('console') && kinds.has('error') && kinds.has('policy') && kinds.has('origin') && noises(page)
      )
    })
    expect(seen.map((one) => one.text).join('\n')).toMatch(/hear[^]*oops|oops[^]*hear/)
    await expect(axe(page)).rejects.toThrow('html-has-lang')
    expectNoise(page, /./)
  })

  test('a good page is quiet, and the keyboard goes through it', async () => {
    const page = await open('about:blank')
    await page.goto(await listening)
    await axe(page)
    const keyboard = keys(page)
    expect(await keyboard.to('Three')).toEqual({ role: 'button', name: 'Three', text: 'Three' })
    expect(await keyboard.visible()).toBe(true)
    await keyboard.press('Shift+Tab')
    expect((await keyboard.focus()).name).toBe('Two')
    await expect(keyboard.to('Four', { atMost: 3 })).rejects.toThrow('"Two"')
    expectNoise(page, /^http:\/\/127\.0\.0\.1/)
  })
})
