import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const styles = 'node_modules/@mantine/core/styles'
const listed = [...readFileSync('src/app/mantine.css', 'utf8').matchAll(/styles\/([\w-]+)\.css/g)].map(
  (one) => one[1]!,
)

/** Styles that others build on, by those who do; "all" are for everything. */
const needed: Readonly<Record<string, readonly string[]>> = {
  baseline: ['all'],
  global: ['all'],
  UnstyledButton: ['all'],
  VisuallyHidden: ['all'],
  Group: ['all'],
  Paper: ['all'],
  ScrollArea: ['Modal', 'Drawer', 'Select'],
  Popover: ['Menu', 'Select', 'Autocomplete', 'MultiSelect', 'TagsInput'],
  CloseButton: ['Modal', 'Drawer', 'Alert', 'Select'],
  Loader: ['Button', 'ActionIcon'],
  Overlay: ['Modal', 'Drawer'],
  ModalBase: ['Modal', 'Drawer'],
  Input: ['TextInput', 'Select'],
  InlineInput: ['Checkbox', 'Switch', 'Radio'],
  FloatingIndicator: ['SegmentedControl', 'Tabs'],
  Combobox: ['Select', 'Autocomplete', 'MultiSelect', 'TagsInput'],
  Pill: ['MultiSelect', 'TagsInput'],
  PillsInput: ['MultiSelect', 'TagsInput'],
  Flex: ['Flex'],
}

/** imported are the names that files of the console take from Mantine. */
function imported(): Set<string> {
  const names = new Set<string>()
  for (const file of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
    if (!/\.tsx?$/.test(file) || file.includes('.test.')) continue
    for (const one of readFileSync(`src/${file}`, 'utf8').matchAll(
      /import\s*\{([^}]*)\}\s*from '@mantine\/core'/g,
    )) {
      for (const name of one[1]!.split(',')) names.add(name.replace(/^\s*type\s/, '').trim())
    }
  }
  return names
}

test('src/app/mantine.css has the styles of the components that are used', () => {
  const missing = [...imported()].filter(
    (name) => existsSync(`${styles}/${name}.css`) && !listed.includes(name),
  )
  expect(missing, 'add them to src/app/mantine.css').toEqual([])
  const used = imported()
  const basis = Object.entries(needed).filter(([, by]) => by.some((name) => used.has(name)))
  expect(
    basis.map(([name]) => name).filter((name) => !listed.includes(name)),
    'others build on these',
  ).toEqual([])
})

test('it has no others, since each visitor would have to fetch them', () => {
  const used = imported()
  const idle = listed.filter((name) => {
    const by = needed[name] ?? []
    return !used.has(name) && !by.includes('all') && !by.some((other) => used.has(other))
  })
  expect(idle, 'remove them from src/app/mantine.css').toEqual([])
})
