import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { words as en } from '../src/pages/designer/wordsEn.ts'
import {
  api,
  attribute,
  axe,
  counts,
  dev,
  expectNoise,
  keys,
  open,
  participant,
  shot,
  until,
} from './harness.ts'
import { box, brick, field, fresh, node, plain, put, saved, stored, tab, text, typed } from './harness/desk.ts'

describe('a saga', () => {
  test('comes from an empty canvas, is published, and its failing run is painted', async () => {
    const p = await participant()
    p.answer('/designed/pay', 409)
    const name = fresh('designed')
    const page = await open('/designer')
    await page.getByLabel(en.nameOfSaga).fill(name)
    await page.getByRole('button', { name: en.begin, exact: true }).click()
    await brick(page, 'call').click()
    await node(page, 'call1').waitFor()
    await page.getByRole('button', { name: en.editStep.replace('{step}', 'call1') }).click()
    const rename = page.locator('[data-rename]')
    await rename.fill('reserve')
    await rename.press('Enter')
    await node(page, 'reserve').waitFor()
    await typed(field(page, 'call.url').first(), `${p.base}/designed/reserve`)
    await typed(field(page, 'call.url').nth(1), `${p.base}/designed/release`)
    await brick(page, 'call').click()
    await node(page, 'call1').waitFor()
    await page.locator('[data-rename]').fill('pay')
    await page.locator('[data-rename]').press('Enter')
    await node(page, 'pay').waitFor()
    await typed(field(page, 'call.url').first(), `${p.base}/designed/pay`)
    await typed(field(page, 'call.url').nth(1), `${p.base}/designed/refund`)
    await tab(page, en.text).click()
    await until('the text says the same', async () => {
      const said = (await text(page).textContent()) ?? ''
      return said.includes('id: reserve') && said.includes(`${p.base}/designed/pay`)
    })
    await saved(page)
    await page.getByText(en.nothingFound).waitFor()
    await axe(page)
    await shot(page, 'designer')

    await page.getByRole('button', { name: en.publish }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(en.firstVersion).waitFor()
    await dialog.getByLabel(en.note).fill('The first one.')
    await axe(page)
    await shot(page, 'designer-publish')
    await dialog.getByRole('button', { name: en.publishNow, exact: true }).click()
    await dialog.getByText(`${name} is published as version 1`).waitFor()
    const version = await (await api()).get<{ version: number; note: string }>(`/sagas/definitions/${name}`)
    expect(version).toMatchObject({ version: 1, note: 'The first one.' })
    await dialog.getByRole('link', { name: en.toSaga }).click()
    await until('the page of the saga', () => new URL(page.url()).pathname === `/sagas/${name}`)

    const client = await api()
    const run = await client.post<{ xid: string }>('/sagas/runs', { saga: name, input: {} })
    const id = run.xid.slice(run.xid.lastIndexOf(':') + 1)
    await until('the run is compensated', async () => {
      const now = await client.get<{ status: string }>(`/sagas/runs/${id}`)
      return now.status === 'RolledBack'
    })
    await page.goto(`${(await dev()).base}/runs/${id}`)
    await until(
      'the failure is painted',
      async () => (await box(page, 'pay').getAttribute('data-state')) === 'refused',
    )
    await attribute(box(page, 'reserve'), 'data-state', 'undone')
    expect(p.callsOf('/designed/release').length).toBeGreaterThan(0)
  })

  test('is made by the keyboard alone', async () => {
    const name = fresh('keyed')
    const page = await open('/designer')
    const k = keys(page)
    await page.getByLabel(en.nameOfSaga).waitFor()
    await k.to(new RegExp(en.nameOfSaga))
    await k.type(name)
    await k.press('Enter')
    await brick(page, 'worker').waitFor()
    await k.to(/^Call/)
    expect(await k.visible()).toBe(true)
    await k.press('ArrowDown', 'ArrowDown', 'Enter')
    await node(page, 'task1').waitFor()
    await k.press('Enter')
    await node(page, 'task2').waitFor()
    await k.to(/^task2, /)
    await k.press('ArrowUp')
    await until('the step above has the focus', async () => (await k.focus()).name.startsWith('task1'))
    await k.press('F2')
    await until('the name can be changed', async () => (await k.focus()).name.startsWith('Id'))
    await k.press('Control+a')
    await k.type('first')
    await k.press('Enter')
    await node(page, 'first').waitFor()
    await k.to(/^first, /, { key: 'Shift+Tab' })
    await k.press('ArrowDown')
    await until('the step below has the focus', async () => (await k.focus()).name.startsWith('task2, '))
    await k.press('Delete')
    await node(page, 'task2').waitFor({ state: 'detached' })
    await until('the focus is on a step', async () => (await k.focus()).name.startsWith('first'))
    await k.press('Control+z')
    await node(page, 'task2').waitFor()
    await k.press('Control+Shift+z')
    await node(page, 'task2').waitFor({ state: 'detached' })
    await saved(page)
    await page.getByText(en.nothingFound).waitFor()
    await k.to(en.publish, { key: 'Shift+Tab' })
    await k.press('Enter')
    await page.getByRole('dialog').getByText(en.firstVersion).waitFor()
    await k.type('By keys.')
    await k.to(en.publishNow)
    await k.press('Enter')
    await page.getByText(`${name} is published as version 1`).waitFor()
    await until('the draft is gone', async () =>
      (await stored(name).catch((wrong: unknown) => String(wrong))).includes('draftNotFound'),
    )
  })
})

describe('canvas and text are one document', () => {
  test('a change on the canvas keeps comments, a rename is followed, and both are undone', async () => {
    const name = fresh('kept')
    await put(name, plain(name))
    const page = await open(`/designer/${name}?step=reserve&side=step`)
    const rename = page.locator('[data-rename]')
    await rename.waitFor()
    await rename.fill('hold')
    await rename.press('Enter')
    await node(page, 'hold').waitFor()
    await until(
      'it is stored',
      async () =>
        (await stored(name)) ===
        plain(name).replace('id: reserve', 'id: hold').replace('steps.reserve', 'steps.hold'),
    )
    await page.getByRole('button', { name: en.undo, exact: true }).click()
    await until('it is stored', async () => (await stored(name)) === plain(name))
    await saved(page)
  })

  test('a step is dragged onto another one', async () => {
    const name = fresh('dragged')
    await put(name, plain(name))
    const page = await open(`/designer/${name}`)
    await node(page, 'reserve').waitFor()
    await brick(page, 'timer').dragTo(node(page, 'reserve'))
    await node(page, 'pause1').waitFor()
    await until('it is behind', async () =>
      (await stored(name)).includes('  - id: pause1\n    timer: {for: 5m}\n\n  - id: pay'),
    )
  })

  test('steps are connected and parted in the form', async () => {
    const name = fresh('connected')
    await put(name, plain(name))
    const page = await open(`/designer/${name}?step=tell&side=step`)
    await page.getByLabel('reserve', { exact: true }).check()
    await until('it is stored', async () => (await stored(name)).includes('    after: [pay, reserve]\n'))
    await page.getByLabel('pay', { exact: true }).uncheck()
    await until('it is stored', async () => (await stored(name)).includes('    after: reserve\n'))
  })

  test('a sub-saga is unfolded where it is run', async () => {
    const [name, part] = [fresh('outer'), fresh('part')]
    await (await api()).post('/sagas/definitions', plain(part))
    await put(
      name,
      `saga: 1\nname: ${name}\ndeadline: 2h\nsteps:\n  - id: inner\n    subSaga: {saga: ${part}}\n`,
    )
    const page = await open(`/designer/${name}`)
    await node(page, 'inner').waitFor()
    await page.getByRole('button', { name: `Show the steps of ${part}` }).click()
    await node(page, 'inner/reserve').waitFor()
    await page.getByText(en.nothingFound).waitFor()
    await axe(page)
  })

  test('text that cannot be read says so at once, and the canvas stays', async () => {
    const name = fresh('broken')
    await put(name, plain(name))
    const page = await open(`/designer/${name}`)
    await text(page).click()
    await keys(page).press('Control+End')
    await keys(page).type('output: a: b')
    await page.locator('.cm-lint-marker-error').first().waitFor()
    await page.getByRole('list', { name: en.findings }).getByText('syntax').first().waitFor()
    await counts(node(page, 'pay'), 1)
    await axe(page)
  })

  test('findings stand in the list, in the text and on the step, and lead to their place', async () => {
    const name = fresh('found')
    await put(name, plain(name).replace('readOnly: true', 'readOnly: true\n    tiemout: 5m'))
    const page = await open(`/designer/${name}`)
    const finding = page.getByRole('button', { name: /unknown-key/ })
    await finding.waitFor()
    await until(
      'it is on the step',
      async () => (await box(page, 'tell').getAttribute('data-finding')) === 'error',
    )
    await page.locator('.cm-lint-marker-error').first().waitFor()
    await shot(page, 'designer-findings')
    await finding.click()
    await until('the cursor is there', async () =>
      ((await page.locator('.cm-activeLine').textContent()) ?? '').includes('tiemout'),
    )
  })

  test('keys are completed', async () => {
    const name = fresh('completed')
    await put(name, plain(name))
    const page = await open(`/designer/${name}`)
    await text(page).click()
    await keys(page).press('Control+End')
    await keys(page).type('    time')
    const offer = page.locator('.cm-tooltip-autocomplete li', { hasText: 'timeout' })
    await offer.waitFor()
    await shot(page, 'designer-completion')
    await keys(page).press('Tab')
    await until('it is written', async () => ((await text(page).textContent()) ?? '').includes('timeout: '))
  })

  test('JSON says the same, and going back brings the comments back', async () => {
    const name = fresh('json')
    await put(name, plain(name))
    const page = await open(`/designer/${name}`)
    await page.getByText('JSON', { exact: true }).click()
    await page.getByRole('dialog').getByRole('button', { name: en.convert, exact: true }).click()
    await until('it is JSON', async () => (await stored(name)).startsWith('{\n  "saga": 1,'))
    await counts(node(page, 'pay'), 1)
    await page.getByText('YAML', { exact: true }).click()
    await until('it is as it was', async () => (await stored(name)) === plain(name))
  })
})

describe('what can go wrong', () => {
  test('a counter-example is drawn on the graph and played', async () => {
    const name = fresh('counter')
    const loose = `saga: 1
name: ${name}
deadline: 1h
steps:
  - id: hotel
    call: {url: "http://127.0.0.1:1/hotels"}
    compensate: {call: {url: "http://127.0.0.1:1/undo/\${output.id}"}}
  - id: car
    call: {url: "http://127.0.0.1:1/cars"}
    compensate: {call: {url: "http://127.0.0.1:1/undo"}}
`
    await put(name, loose)
    const page = await open(`/designer/${name}?dock=explored`)
    const pick = page.getByRole('list', { name: en.counterExamples }).getByRole('button').first()
    await pick.click()
    await until('it is painted', async () => (await box(page, 'hotel').getAttribute('data-state')) !== null)
    const list = page.getByRole('list', { name: en.timeline })
    await list.getByText(/lost/).first().waitFor()
    await axe(page)
    await shot(page, 'designer-counterexample')
    await page.getByRole('button', { name: en.toBegin }).click()
    await until(
      'nothing has happened',
      async () => (await box(page, 'hotel').getAttribute('data-state')) === 'idle',
    )
    await page.getByRole('button', { name: en.stepOn }).click()
    await until(
      'the answer is lost',
      async () => (await box(page, 'hotel').getAttribute('data-state')) === 'unknown',
    )
  })

  test('a failure is chosen on a step, and what comes of it is played and saved as a test', async () => {
    const name = fresh('simulated')
    await put(
      name,
      plain(name).replace(
        'deadline: 1h',
        'deadline: 1h\ninput: {type: object, properties: {n: {type: integer}}}',
      ),
    )
    const page = await open(`/designer/${name}?dock=simulate`)
    await node(page, 'pay').waitFor()
    await page.locator('.react-flow').getByLabel(en.wishOf.replace('{step}', 'pay')).selectOption('refused')
    await page.getByLabel(en.wishOfUndo.replace('{step}', 'reserve')).selectOption('failed')
    await page.getByRole('button', { name: en.run, exact: true }).click()
    await until(
      'it is painted',
      async () => (await box(page, 'reserve').getAttribute('data-state')) === 'undone',
    )
    await attribute(box(page, 'pay'), 'data-state', 'refused')
    await page.getByText(en.end_compensated, { exact: true }).first().waitFor()
    await axe(page)
    await shot(page, 'designer-simulation')
    await page.getByRole('button', { name: en.toBegin }).click()
    await page.getByRole('button', { name: en.stepOn }).click()
    await page.getByRole('button', { name: en.stepOn }).click()
    await until(
      'it is at the begin',
      async () => (await box(page, 'reserve').getAttribute('data-state')) === 'running',
    )
    await attribute(box(page, 'pay'), 'data-state', 'idle')

    const download = page.waitForEvent('download')
    await page.getByRole('button', { name: en.saveTest }).click()
    const dir = mkdtempSync(join(tmpdir(), 'concord-designer-'))
    try {
      await (await download).saveAs(join(dir, `${name}.test.yaml`))
      writeFileSync(join(dir, `${name}.yaml`), await stored(name))
      expect(readFileSync(join(dir, `${name}.test.yaml`), 'utf8')).toContain('pay: refused')
      const said = execFileSync(process.env['CONCORD_BIN']!, ['saga', 'test', dir], { encoding: 'utf8' })
      expect(said).toMatch(/1/)
    } finally {
      rmSync(dir, { recursive: true })
    }
  })

  test('many runs are drawn from seeds, and one of them is looked at', async () => {
    const name = fresh('many')
    await put(name, plain(name))
    const page = await open(`/designer/${name}?dock=simulate`)
    await page.getByLabel(en.random).check()
    await page.getByLabel(en.runs, { exact: true }).fill('50')
    await page.getByRole('button', { name: en.run, exact: true }).click()
    await page.getByText('50 runs').waitFor()
    await page.getByRole('list', { name: en.reasons }).getByRole('button').first().click()
    await page.getByRole('slider', { name: en.moment }).waitFor()
  })

  test('an input that does not fit is refused in the words of the server', async () => {
    const name = fresh('misfit')
    await put(name, plain(name).replace('deadline: 1h', 'deadline: 1h\ninput: {type: object, required: [n]}'))
    const page = await open(`/designer/${name}?dock=simulate`)
    expectNoise(page, /status of 422/)
    await page.getByRole('button', { name: en.run, exact: true }).click()
    await page
      .getByRole('alert')
      .getByText(/badScenario/)
      .waitFor()
  })
})
