import { expect, test } from 'vitest'
import { asks, axe, barred, dev, open, seed, shot } from './harness.ts'
import { failing, hanging, saysTrouble, telling } from './harness/states.ts'

const three = {
  node: 'a:8091',
  version: { version: '0.1.0', go: 'go1.26' },
  ready: true,
  reasons: [],
  degraded: [
    { code: 'brokerSlow', sentence: 'The broker answers late; decisions are published with a delay.' },
  ],
  applications: 3,
  resources: 4,
  clients: 17,
  unpublished: 12,
  unpublishedSince: new Date(Date.now() - 8000).toISOString(),
  nodes: ['alive', 'draining', 'gone'].map((state, i) => ({
    id: `${'abc'[i]}:8091`,
    epoch: 7 + i,
    advertise: `10.0.0.${i + 1}:8091`,
    internal: `10.0.0.${i + 1}:8092`,
    version: '0.1.0',
    state,
    joinedAt: '2026-01-01T00:00:00Z',
    leaseUntil: new Date(Date.now() + 9000).toISOString(),
    self: i === 0,
  })),
  targets: [],
}

test('nodes, their leases and what can be done', async () => {
  const page = await open('about:blank')
  await telling(page, /\/api\/v1\/cluster/, three)
  await page.goto((await dev()).base + '/cluster')
  await page.getByText('The broker answers late').waitFor()
  await page
    .getByRole('row', { name: /b:8091.*draining/ })
    .getByRole('button', { name: /Take work again/ })
    .waitFor()
  const only = page.getByRole('button', { name: 'Drain a:8091' })
  await barred(only)
  await axe(page)
  await shot(page, 'cluster')
})

test('one machine, its participants and its configuration', async () => {
  const page = await open('/cluster')
  await page.getByText('This server runs on one machine').waitFor()
  for (const tab of [
    'Sessions',
    'Applications',
    'Resources',
    'Participants called',
    'Queues',
    'Configuration',
  ]) {
    await page.getByRole('tab', { name: tab }).click()
    await page.getByRole('tabpanel').getByText(/./).first().waitFor()
    await axe(page)
  }
  await page.keyboard.press('Escape')
  await page.getByPlaceholder('Search keys, values and meanings').fill('retention')
  await page.getByRole('row', { name: /store\.retention/ }).waitFor()
  await asks(page, 'find', 'retention')
  await page.getByRole('checkbox', { name: 'Only what was changed' }).click()
  await page.getByText('No setting is like that').waitFor()
  await page.getByPlaceholder('Search keys, values and meanings').fill('')
  await page.getByRole('row', { name: /data/ }).first().waitFor()
  await shot(page, 'cluster-config')
})

test('queues of brokers: their bounds, what is not read, and a broker that does not answer', async () => {
  const page = await open('about:blank')
  const row = (topic: string, queue: number, committed: number | undefined, lag: number) => ({
    topic,
    broker: 'broker-a',
    queue,
    group: 'concord-coordinator',
    oldest: 1200,
    end: 98_765,
    ...(committed === undefined ? {} : { committed }),
    lag,
  })
  await telling(page, /\/api\/v1\/queues/, {
    at: new Date().toISOString(),
    partial: true,
    silent: [{ broker: 'broker-b', reason: 'ask 10.0.0.8:10911: context deadline exceeded' }],
    items: [
      row('concord-commit', 0, 98_765, 0),
      row('concord-commit', 1, 98_700, 65),
      row('concord-rollback', 0, undefined, 97_565),
    ],
  })
  await page.goto((await dev()).base + '/cluster?tab=queues')
  await page.getByText('Broker broker-b does not answer').waitFor()
  await page.getByText('context deadline exceeded').waitFor()
  await page.getByRole('row', { name: /concord-commit.*broker-a.*0.*98,765.*all read/ }).waitFor()
  await page.getByRole('row', { name: /concord-commit.*broker-a.*1.*98,700.*65/ }).waitFor()
  await page.getByRole('row', { name: /concord-rollback.*–.*97,565/ }).waitFor()
  await axe(page)
  await shot(page, 'cluster-queues')
})

test('queues of one machine: the log and its groups', async () => {
  await seed.committed()
  const server = await dev()
  const group = await fetch(`${server.base}/api/v1/events/groups/ledger`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ from: 'oldest' }),
  })
  expect(group.ok).toBe(true)
  await seed.committed()
  const page = await open('/cluster?tab=queues')
  await page.getByRole('row', { name: /The log itself/ }).waitFor()
  await page.getByRole('row', { name: /ledger.*[1-9]$/ }).waitFor()
  await axe(page)
  await failing(page, /\/api\/v1\/queues/)
  await page.reload()
  await saysTrouble(page)
  await page.unrouteAll()
  await telling(page, /\/api\/v1\/queues/, {
    at: new Date().toISOString(),
    partial: false,
    silent: [],
    items: [],
  })
  await page.reload()
  await page.getByText('Nothing is known of any queue').waitFor()
})

test('trouble, and what is under way', async () => {
  const page = await open('about:blank')
  await failing(page, /\/api\/v1\/sessions/)
  const go = await hanging(page, /\/api\/v1\/cluster/)
  await page.goto((await dev()).base + '/cluster?tab=sessions')
  await page.getByRole('status', { name: 'Loading' }).first().waitFor()
  await saysTrouble(page)
  go()
  await page.getByText('takes new work').waitFor()
})

test('a viewer sees the nodes and not the configuration', async () => {
  const page = await open('/cluster?tab=config', { role: 'viewer' })
  await page.getByText('The configuration is shown to admins.').waitFor()
  await page.getByRole('tab', { name: 'Nodes' }).click()
  await barred(page.getByRole('button', { name: /^Drain/ }))
  await axe(page)
})
