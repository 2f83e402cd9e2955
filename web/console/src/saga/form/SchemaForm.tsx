import { NativeSelect, SegmentedControl, Stack, Text, Textarea, TextInput } from '@mantine/core'
import { useMemo, useState } from 'react'
import { useWords } from '@/i18n'
import { complaintsOf, exampleOf, fieldsOf, readJson, valueOf, type Entered, type FormField } from './schema.ts'
import { words } from './words.ts'

/** Data is what a person enters: into fields, or as JSON. */
export interface Data {
  readonly json: boolean
  readonly text: string
  readonly entered: Entered
}

export interface DataState {
  readonly data: Data
  readonly set: (data: Data) => void
  readonly fields: readonly FormField[] | undefined
  /** What was wrong when it was last read. */
  readonly wrong: Readonly<Record<string, string>>
  /** Reads what was entered; undefined, and said in the form, if it cannot be read. Nothing entered is no value. */
  readonly read: () => { readonly value: unknown } | undefined
  /** Shows what the server says about it. */
  readonly complain: (findings: unknown) => void
}

/** useData holds what is entered by a schema. */
export function useData(schema: unknown): DataState {
  const t = useWords(words)
  const fields = useMemo(() => fieldsOf(schema), [schema])
  const [data, setData] = useState<Data>()
  const [wrong, setWrong] = useState<Record<string, string>>({})
  const now = data ?? { json: !fields, text: schema === undefined ? '' : exampleOf(schema), entered: {} }
  const read = () => {
    setWrong({})
    if (now.json || !fields) {
      if (now.text.trim() === '') return { value: undefined }
      const value = readJson(now.text)
      if ('value' in value) return value
      setWrong({ '': `${t('notJson')} ${value.wrong}` })
      return undefined
    }
    const value = valueOf(fields, now.entered)
    if ('value' in value) return value
    setWrong(Object.fromEntries(Object.entries(value.wrong).map(([name, what]) => [name, t(what)])))
    return undefined
  }
  const complain = (findings: unknown) => setWrong(complaintsOf(findings, now.json ? [] : (fields ?? [])))
  const set = (next: Data) => {
    setData(next)
    setWrong({})
  }
  return { data: now, set, fields, wrong, read, complain }
}

/** SchemaForm asks for what a schema describes. */
export function SchemaForm({ state, label }: { state: DataState; label: string }) {
  const t = useWords(words)
  const { data, set, fields, wrong } = state
  const json = data.json || !fields
  const toggle = (mode: string) => {
    if (mode !== 'json' || !fields) return set({ ...data, json: false })
    const value = valueOf(fields, data.entered)
    set({ ...data, json: true, text: 'value' in value ? JSON.stringify(value.value, null, 2) : data.text })
  }
  return (
    <Stack gap="sm" role="group" aria-label={label}>
      {fields && (
        <SegmentedControl
          size="xs"
          value={json ? 'json' : 'form'}
          onChange={toggle}
          aria-label={t('how')}
          style={{ alignSelf: 'start' }}
          data={[
            { value: 'form', label: t('asForm') },
            { value: 'json', label: t('asJson') },
          ]}
        />
      )}
      {json ? (
        <Textarea
          label={label}
          autosize
          minRows={4}
          maxRows={14}
          spellCheck={false}
          value={data.text}
          error={wrong['']}
          description={fields ? undefined : t('noData')}
          classNames={{ input: 'mono' }}
          onChange={(event) => set({ ...data, text: event.currentTarget.value })}
        />
      ) : (
        fields.map((field) => (
          <Field
            key={field.name}
            field={field}
            value={data.entered[field.name]}
            error={wrong[field.name]}
            onChange={(value) => set({ ...data, entered: { ...data.entered, [field.name]: value } })}
          />
        ))
      )}
      {!json && wrong[''] && (
        <Text size="sm" c="var(--c-bad)" role="alert">
          {wrong['']}
        </Text>
      )}
    </Stack>
  )
}

interface FieldProps {
  field: FormField
  value: string | undefined
  error: string | undefined
  onChange: (value: string) => void
}

function Field({ field, value = '', error, onChange }: FieldProps) {
  const t = useWords(words)
  const description = field.help || undefined
  const common = { label: field.label, description, withAsterisk: field.required, error, value }
  const set = (event: { currentTarget: { value: string } }) => onChange(event.currentTarget.value)
  switch (field.kind) {
    case 'boolean':
      return (
        <NativeSelect
          {...common}
          onChange={set}
          data={[
            { value: '', label: t('unset') },
            { value: 'true', label: t('yes') },
            { value: 'false', label: t('no') },
          ]}
        />
      )
    case 'choice':
      return (
        <NativeSelect
          {...common}
          onChange={set}
          data={[
            { value: '', label: t('unset') },
            ...field.options.map((each) => ({ value: each, label: each })),
          ]}
        />
      )
    case 'json':
      return (
        <Textarea
          {...common}
          description={field.help || t('jsonHelp')}
          autosize
          minRows={1}
          maxRows={8}
          spellCheck={false}
          classNames={{ input: 'mono' }}
          onChange={set}
        />
      )
    default:
      return <TextInput {...common} onChange={set} inputMode={field.kind === 'text' ? 'text' : 'decimal'} />
  }
}
