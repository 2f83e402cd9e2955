import { test } from 'vitest'
import { attribute, axe, dev, open, shot } from './harness.ts'
import { failing, hanging, saysTrouble, telling } from './harness/states.ts'

const setting = {
  key: 'limits.lockWait',
  value: '2s',
  own: '1s',
  changed: true,
  changedBy: 'ops',
  changedAt: '2026-01-01T00:00:00Z',
  doc: 'How long a registration waits for a locked row.',
}

test('what counts for the cluster is shown and changed', async () => {
  const page = await open('about:blank')
  let value = '2s'
  await telling(page, /\/api\/v1\/cluster/, {
    node: 'a',
    nodes: [{ id: 'a', epoch: 3, state: 'alive', self: true }],
  })
  await page.route(/\/api\/v1\/settings/, async (route) => {
    if (route.request().method() === 'PUT') value = (route.request().postDataJSON() as { value: string }).value
    await route.fulfill({
      json: route.request().method() === 'PUT' ? setting : { items: [{ ...setting, value }] },
    })
  })
  await page.goto((await dev()).base + '/settings')
  await page.getByRole('row', { name: /limits\.lockWait.*2s.*changed.*ops/ }).waitFor()
  await axe(page)
  await shot(page, 'settings')
  await page.getByRole('button', { name: 'Change limits.lockWait' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('It is 2s now.').waitFor()
  await dialog.getByLabel('New value').fill('5s')
  await axe(page)
  await dialog.getByRole('button', { name: 'Change' }).click()
  await dialog.getByText('All nodes take it within seconds.').waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('row', { name: /limits\.lockWait.*5s/ }).waitFor()
})

test('one machine has none, and says where its settings are', async () => {
  const page = await open('about:blank')
  await page.goto((await dev()).base + '/settings')
  await page.getByText('This server runs on one machine').waitFor()
  await axe(page)
  await page.getByText('Dark', { exact: true }).click()
  await attribute(page.locator('html'), 'data-mantine-color-scheme', 'dark')
  await page.getByText('中文', { exact: true }).click()
  await page.getByRole('heading', { level: 1, name: '设置' }).waitFor()
  await page.reload()
  await page.getByRole('heading', { level: 1, name: '设置' }).waitFor()
  await attribute(page.locator('html'), 'lang', 'zh')
})

test('trouble, and what is under way', async () => {
  const page = await open('about:blank')
  const go = await hanging(page, /\/api\/v1\/cluster/)
  await page.goto((await dev()).base + '/settings')
  await page.getByRole('status', { name: 'Loading' }).first().waitFor()
  go()
  await page.getByText('This server runs on one machine').waitFor()
  await failing(page, /\/api\/v1\/cluster/)
  await page.reload()
  await saysTrouble(page)
})
