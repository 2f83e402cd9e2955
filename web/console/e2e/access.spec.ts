import { expect, test } from 'vitest'
import { axe, expectNoise, gone, open, secured, shot, until } from './harness.ts'

test('a key is made, its token shown once, used and revoked', async () => {
  const page = await open('/access', { role: 'admin' })
  await page
    .getByRole('row', { name: /viewer/ })
    .first()
    .waitFor()
  await axe(page)
  await page.getByRole('button', { name: 'New key' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill('till-7')
  await dialog.getByLabel('Applications').fill('shop, stock')
  await axe(page)
  await shot(page, 'access-new-key')
  await dialog.getByRole('button', { name: 'Make the key' }).click()
  const token = (await dialog.locator('pre').first().textContent())?.trim() ?? ''
  expect(token).toMatch(/^concord_/)
  const base = (await secured()).base
  const use = () => fetch(`${base}/api/v1/me`, { headers: { Authorization: `Bearer ${token}` } })
  expect((await use()).status).toBe(200)
  await axe(page)
  await dialog.getByRole('button', { name: 'I have kept it' }).click()
  await page.getByRole('row', { name: /till-7.*service.*shop, stock/ }).waitFor()
  await gone(page.getByText(token))
  await shot(page, 'access')
  await page.getByRole('button', { name: 'Revoke till-7' }).click()
  await dialog.getByText('answered with 401').waitFor()
  await dialog.getByRole('textbox').first().fill('till-7')
  await dialog.getByRole('button', { name: 'Revoke' }).click()
  await dialog.getByText('The key counts no more.').waitFor()
  await until('it is refused', async () => (await use()).status === 401)
})

test("a name that is taken is refused in the server's words", async () => {
  const page = await open('/access', { role: 'admin' })
  expectNoise(page, /status of 409/)
  await page.getByRole('button', { name: 'New key' }).click()
  await page.getByLabel('Name').fill('viewer')
  await page.getByRole('button', { name: 'Make the key' }).click()
  await page.getByRole('alert').getByText('keyExists').waitFor()
})

test('a sign-in is ended by an admin', async () => {
  await open('/access?tab=me', { role: 'operator' })
  const page = await open('/access?tab=signins', { role: 'admin' })
  await page
    .getByRole('row', { name: /operator/ })
    .first()
    .waitFor()
  await axe(page)
  await page
    .getByRole('row', { name: /operator/ })
    .first()
    .getByRole('button')
    .click()
  await page.getByRole('dialog').getByRole('button', { name: 'End' }).click()
  await page.getByRole('dialog').getByText('The sign-in has ended.').waitFor()
})

test('others see who they are and what roles mean', async () => {
  const page = await open('/access', { role: 'viewer' })
  await page.getByText('Sees everything and changes nothing.').waitFor()
  await page.getByText('you have it').waitFor()
  await axe(page)
  await page.getByRole('tab', { name: 'API keys' }).click()
  await page.getByText('Keys and sign-ins are shown to admins').waitFor()
})

test('in development mode there are none', async () => {
  const page = await open('/access?tab=keys')
  await page.getByText('There are no keys in development mode').waitFor()
  await axe(page)
})
