import { Autocomplete, Button, Checkbox, Popover, Select, TextInput } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useWords } from '@/i18n'
import { Icon } from '@/shared/Icon.tsx'
import { change, kinds, millisOf, parse, statuses, type Field } from './search.ts'
import type { Values } from './suggest.ts'
import classes from './transactions.module.css'
import { words } from './words.ts'

export interface FilterFormProps {
  text: string
  /** Changes the text as it is by then. */
  onEdit: (how: (was: string) => string) => void
  values: Values
}

/** FilterForm is the search as a form: what is chosen there stands in the text, and the other way round. */
export function FilterForm({ text, onEdit, values }: FilterFormProps) {
  const t = useWords(words)
  const [open, setOpen] = useState(false)
  const { filter } = parse(text)
  const set = (field: Field, value: string | true | undefined) => {
    onEdit((was) => {
      let next = was
      if (field === 'saga' && !value) next = change(next, 'key', undefined)
      for (const other of fieldsBeside(field)) next = change(next, other, undefined)
      return change(next, field, value)
    })
  }
  const n = Object.keys(filter).length
  const texts = (field: 'app' | 'name' | 'saga' | 'group' | 'key') => (
    <Words
      key={field}
      label={t(field)}
      value={filter[field] ?? ''}
      data={field === 'key' ? [] : values[field]}
      disabled={field === 'key' && !filter.saga}
      onDone={(value) => set(field, value)}
    />
  )
  return (
    <Popover
      opened={open}
      onChange={setOpen}
      position="bottom-start"
      shadow="md"
      trapFocus
      withinPortal={false}
    >
      <Popover.Target>
        <Button
          variant="default"
          size="xs"
          h={32}
          onClick={() => setOpen(!open)}
          aria-expanded={open}
          leftSection={<Icon path="M2 3h12l-4.5 5.5V13l-3 1V8.5z" size={13} />}
        >
          {n > 0 ? t('filtersOf', { count: n }) : t('filters')}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label={t('filters')}>
        <div className={classes['form']}>
          <Select
            size="xs"
            label={t('status')}
            placeholder={t('any')}
            data={[...statuses]}
            value={filter.status ?? null}
            clearable
            comboboxProps={{ withinPortal: false }}
            onChange={(value) => set('status', value ?? undefined)}
          />
          <Select
            size="xs"
            label={t('kind')}
            placeholder={t('any')}
            data={[...kinds]}
            value={filter.kind ?? null}
            clearable
            searchable
            comboboxProps={{ withinPortal: false }}
            onChange={(value) => set('kind', value ?? undefined)}
          />
          {(['app', 'name', 'saga', 'key', 'group'] as const).map(texts)}
          <span />
          {(['younger', 'older'] as const).map((field) => (
            <Age
              key={field}
              label={t(field)}
              hint={t('ageHint')}
              wrong={t('badAge', { text: '' })}
              value={filter[field] ?? ''}
              onDone={(value) => set(field, value)}
            />
          ))}
          {(['live', 'stuck', 'heuristic'] as const).map((field) => (
            <Checkbox
              key={field}
              data-wide
              size="xs"
              label={t(field)}
              checked={filter[field] === true}
              onChange={(event) => set(field, event.currentTarget.checked || undefined)}
            />
          ))}
          <div data-wide>
            <Button variant="subtle" size="compact-xs" onClick={() => onEdit(() => '')} disabled={text === ''}>
              {t('clear')}
            </Button>
          </div>
        </div>
      </Popover.Dropdown>
    </Popover>
  )
}

/** fieldsBeside are those that cannot stand beside one. */
function fieldsBeside(field: Field): readonly Field[] {
  if (field === 'name') return ['saga', 'key', 'xid']
  return field === 'saga' ? ['name', 'xid'] : ['xid']
}

function Words(props: {
  label: string
  value: string
  data: readonly string[]
  disabled?: boolean
  onDone: (value: string) => void
}) {
  const [value, setValue] = useState(props.value)
  useEffect(() => setValue(props.value), [props.value])
  const done = (next: string) => next.trim() !== props.value && props.onDone(next.trim())
  return (
    <Autocomplete
      size="xs"
      label={props.label}
      data={[...props.data]}
      value={value}
      disabled={props.disabled ?? false}
      comboboxProps={{ withinPortal: false }}
      limit={20}
      onChange={setValue}
      onOptionSubmit={done}
      onBlur={() => done(value)}
      onKeyDown={(event) => event.key === 'Enter' && done(value)}
    />
  )
}

function Age(props: {
  label: string
  hint: string
  wrong: string
  value: string
  onDone: (value: string) => void
}) {
  const [value, setValue] = useState(props.value)
  useEffect(() => setValue(props.value), [props.value])
  const bad = value !== '' && millisOf(value) === undefined
  const done = () => !bad && value !== props.value && props.onDone(value)
  return (
    <TextInput
      size="xs"
      label={props.label}
      placeholder={props.hint}
      value={value}
      error={bad ? props.hint : undefined}
      onChange={(event) => setValue(event.currentTarget.value.trim())}
      onBlur={done}
      onKeyDown={(event) => event.key === 'Enter' && done()}
    />
  )
}
