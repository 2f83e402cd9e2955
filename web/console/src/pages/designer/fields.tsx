import { Checkbox, NativeSelect, Textarea, TextInput } from '@mantine/core'
import { useEffect, useState, type KeyboardEvent } from 'react'
import { parseDocument, stringify } from 'yaml'
import { useWords } from '@/i18n'
import classes from './Designer.module.css'
import { helpOf, labelOf } from './fieldWords.ts'
import type { Json } from './source.ts'
import { words } from './words.ts'

interface FieldProps {
  /** The key around it, and its own. */
  readonly within: string
  readonly name: string
  readonly readOnly: boolean
}

/** useDrafted holds what is being typed until the field is left or Enter is pressed, so that the history has one step
 * for it. */
function useDrafted(value: string, commit: (text: string) => string | undefined, multi = false) {
  const [text, setText] = useState(value)
  const [error, setError] = useState<string>()
  useEffect(() => {
    setText(value)
    setError(undefined)
  }, [value])
  const done = () => {
    if (text !== value) setError(commit(text))
  }
  return {
    value: text,
    error,
    onChange: (event: { currentTarget: { value: string } }) => setText(event.currentTarget.value),
    onBlur: done,
    onKeyDown: (event: KeyboardEvent) => {
      if (event.key === 'Enter' && (!multi || event.ctrlKey || event.metaKey)) done()
      else if (event.key === 'Escape' && text !== value) {
        setText(value)
        event.stopPropagation()
      }
    },
  }
}

function label({ within, name }: FieldProps) {
  return (
    <>
      {labelOf(within, name)} <code className={classes['key']}>{name}</code>
    </>
  )
}

function shared(props: FieldProps) {
  return {
    label: label(props),
    description: helpOf(props.within, props.name),
    size: 'xs' as const,
    inputWrapperOrder: ['label', 'input', 'error', 'description'] as (
      | 'label'
      | 'input'
      | 'error'
      | 'description'
    )[],
    'data-field': `${props.within}.${props.name}`,
  }
}

/** TextField is a text of one line; an empty one removes the key. */
export function TextField(
  props: FieldProps & {
    value: string | undefined
    put: (value: string | undefined) => string | undefined | void
    mono?: boolean
    multi?: boolean
    placeholder?: string | undefined
  },
) {
  const drafted = useDrafted(
    props.value ?? '',
    (text) => props.put(text === '' ? undefined : text) ?? undefined,
    props.multi,
  )
  const mono = props.mono ? { input: classes['mono']! } : {}
  const more = {
    placeholder: props.placeholder,
    readOnly: props.readOnly,
    classNames: mono,
    spellCheck: !props.mono,
  }
  return props.multi ? (
    <Textarea {...shared(props)} {...drafted} {...more} autosize minRows={2} maxRows={8} />
  ) : (
    <TextInput {...shared(props)} {...drafted} {...more} />
  )
}

/** NumberField is a number; an empty one removes the key. */
export function NumberField(
  props: FieldProps & { value: number | undefined; put: (value: number | undefined) => void },
) {
  const t = useWords(words)
  const drafted = useDrafted(props.value === undefined ? '' : String(props.value), (text) => {
    if (text.trim() === '') props.put(undefined)
    else if (!Number.isFinite(Number(text))) return t('noNumber')
    else props.put(Number(text))
    return undefined
  })
  return <TextInput {...shared(props)} {...drafted} inputMode="decimal" readOnly={props.readOnly} />
}

/** ChoiceField is one of some words; the first one, which is empty, removes the key. */
export function ChoiceField(
  props: FieldProps & {
    value: string | undefined
    options: readonly (string | { value: string; label: string })[]
    put: (value: string | undefined) => void
    required?: boolean
    empty?: string
  },
) {
  const known = props.options.map((each) => (typeof each === 'string' ? { value: each, label: each } : each))
  const odd =
    props.value !== undefined && !known.some((each) => each.value === props.value)
      ? [{ value: props.value, label: props.value }]
      : []
  return (
    <NativeSelect
      {...shared(props)}
      disabled={props.readOnly}
      value={props.value ?? ''}
      data={[...(props.required ? [] : [{ value: '', label: props.empty ?? '–' }]), ...known, ...odd]}
      onChange={(event) => props.put(event.currentTarget.value === '' ? undefined : event.currentTarget.value)}
    />
  )
}

/** YesField is true or absent. */
export function YesField(props: FieldProps & { value: boolean; put: (value: true | undefined) => void }) {
  return (
    <Checkbox
      label={label(props)}
      description={helpOf(props.within, props.name)}
      size="xs"
      disabled={props.readOnly}
      checked={props.value}
      onChange={(event) => props.put(event.currentTarget.checked ? true : undefined)}
    />
  )
}

/** JsonField is any value, written as YAML; an empty one removes the key. */
export function JsonField(
  props: FieldProps & {
    value: Json | undefined
    put: (value: Json | undefined) => void
    map?: boolean
    rows?: number
  },
) {
  const t = useWords(words)
  const shown =
    props.value === undefined ? '' : stringify(props.value, { lineWidth: 0, compat: 'yaml-1.1' }).trimEnd()
  const drafted = useDrafted(
    shown,
    (text) => {
      if (text.trim() === '') return void props.put(undefined)
      const doc = parseDocument(text, { prettyErrors: false })
      if (doc.errors.length > 0) return doc.errors[0]!.message
      const value = doc.toJS() as Json
      if (props.map && (typeof value !== 'object' || value === null || Array.isArray(value))) return t('noMap')
      props.put(value)
      return undefined
    },
    true,
  )
  return (
    <Textarea
      {...shared(props)}
      {...drafted}
      readOnly={props.readOnly}
      autosize
      minRows={props.rows ?? 2}
      maxRows={12}
      spellCheck={false}
      classNames={{ input: classes['mono']! }}
    />
  )
}
