import { ActionIcon, Button, Checkbox, Group, Text } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { useWords } from '@/i18n'
import { Icon } from '@/shared/Icon.tsx'
import type { Acts } from './acts.ts'
import classes from './Designer.module.css'
import { ChoiceField, JsonField, NumberField, TextField, YesField } from './fields.tsx'
import { helpOf, labelOf } from './fieldWords.ts'
import { keysAt, nameOfShape, rawShapeAt, solved, type Shape } from './language.ts'
import { asMap, type Json, type Path } from './source.ts'
import { casesOf, nameOk } from './steps.ts'
import { words } from './words.ts'

export interface FormProps {
  readonly value: { readonly [key: string]: Json }
  readonly path: Path
  readonly acts: Acts
  readonly readOnly: boolean
}

export function text(value: Json | undefined): string | undefined {
  return typeof value === 'string'
    ? value
    : value === undefined || value === null
      ? undefined
      : JSON.stringify(value)
}

/** Keys are fields for keys of a map, made from the published schema. */
export function Keys({
  value,
  path,
  acts,
  readOnly,
  within,
  keys,
}: FormProps & { within: string; keys?: readonly string[] }) {
  return (
    <div className={classes['formGrid']}>
      {(keys ?? keysAt(path).map(([key]) => key)).map((key) => {
        return (
          <Field
            key={key}
            within={within}
            name={key}
            shape={rawShapeAt([...path, key]) ?? {}}
            value={value[key]}
            readOnly={readOnly}
            put={(next) => acts.put([...path, key], next)}
          />
        )
      })}
    </div>
  )
}

/** Field is one field, of the kind that the schema asks for. */
function Field(props: {
  within: string
  name: string
  shape: Shape
  value: Json | undefined
  readOnly: boolean
  put: (value: Json | undefined) => void
}) {
  const { shape, value, put } = props
  const t = useWords(words)
  const own = { within: props.within, name: props.name, readOnly: props.readOnly }
  const to = solved(shape)
  const wide = (field: ReactNode) => <div className={classes['wide']}>{field}</div>
  if (to.enum) {
    const empty = to.default === undefined ? '–' : t('defaultIs', { value: String(to.default) })
    return <ChoiceField {...own} value={text(value)} options={to.enum} put={put} empty={empty} />
  }
  if (to.type === 'boolean') return <YesField {...own} value={value === true} put={put} />
  if (to.type === 'integer' || to.type === 'number') {
    return <NumberField {...own} value={typeof value === 'number' ? value : undefined} put={put} />
  }
  const name = nameOfShape(shape)
  if (props.name === 'by') {
    const list = Array.isArray(value) ? value.map(String).join(', ') : text(value)
    return (
      <TextField
        {...own}
        value={list}
        put={(next) =>
          put(
            next
              ?.split(',')
              .map((each) => each.trim())
              .filter(Boolean),
          )
        }
      />
    )
  }
  if (['value', 'mapping', 'headers', 'schema'].includes(name)) {
    return wide(<JsonField {...own} value={value} put={put} map={name === 'mapping' || name === 'headers'} />)
  }
  const mono = ['expression', 'template', 'duration', 'wireName', 'variable', 'name'].includes(name)
  const field = (
    <TextField
      {...own}
      value={text(value)}
      mono={mono}
      multi={props.name === 'description' || props.name === 'prompt'}
      put={(next) => put(next)}
      placeholder={name === 'duration' ? '30s, 5m, 1h30m' : undefined}
    />
  )
  return ['url', 'description', 'prompt', 'when', 'in', 'until', 'title'].includes(props.name)
    ? wide(field)
    : field
}

/** Cases are the ways of a choice. A case that is renamed is followed by the edges that name it. */
export function Cases({ value, path, acts, readOnly, id }: FormProps & { id: string }) {
  const t = useWords(words)
  const cases = Array.isArray(value['cases']) ? value['cases'].map((each) => asMap(each) ?? {}) : []
  const names = casesOf({ choice: value as { [key: string]: Json } })
  return (
    <div className={classes['rows']}>
      {cases.map((each, i) => (
        <div key={i} className={classes['row']}>
          <TextField
            within="choice"
            name="case"
            readOnly={readOnly}
            mono
            value={text(each['case'])}
            put={(next) => {
              if (!next || !nameOk(next)) return t('badName')
              if (names.includes(next)) return t('takenName')
              acts.renameCase(id, String(each['case']), next)
              return undefined
            }}
          />
          <TextField
            within="choice"
            name="when"
            readOnly={readOnly}
            mono
            value={text(each['when'])}
            put={(next) => acts.put([...path, 'cases', i, 'when'], next ?? 'true')}
          />
          <Remove
            text={t('removeCase', { name: String(each['case']) })}
            disabled={readOnly || cases.length < 2}
            act={() => acts.put([...path, 'cases', i], undefined)}
          />
        </div>
      ))}
      <Group align="end" gap="sm">
        <TextField
          within="choice"
          name="else"
          readOnly={readOnly}
          mono
          value={text(value['else'])}
          put={(next) => {
            const was = text(value['else'])
            if (next && !nameOk(next)) return t('badName')
            if (next && was) acts.renameCase(id, was, next)
            else acts.put([...path, 'else'], next)
            return undefined
          }}
        />
        <Button
          size="xs"
          variant="default"
          disabled={readOnly}
          onClick={() =>
            acts.edit(
              (e) =>
                e.insert([...path, 'cases'], cases.length, { case: freeCase(names), when: 'saga.key != ""' }),
              t('addedCase'),
            )
          }
        >
          {t('addCase')}
        </Button>
      </Group>
    </div>
  )
}

function freeCase(names: readonly string[]): string {
  for (let n = names.length + 1; ; n++) if (!names.includes(`case${n}`)) return `case${n}`
}

/** Rules say what answers mean. */
export function Rules({
  value,
  path,
  acts,
  readOnly,
}: {
  value: Json | undefined
  path: Path
  acts: Acts
  readOnly: boolean
}) {
  const t = useWords(words)
  const rules = Array.isArray(value) ? value.map((each) => asMap(each) ?? {}) : []
  return (
    <div className={classes['rows']}>
      <Text size="xs" fw={600}>
        {labelOf('', 'result')} <code className={classes['key']}>result</code>
      </Text>
      {rules.map((rule, i) => (
        <div key={i} className={classes['row']}>
          <TextField
            within="result"
            name="when"
            readOnly={readOnly}
            mono
            value={text(rule['when'])}
            put={(next) => acts.put([...path, i, 'when'], next ?? 'true')}
          />
          <ChoiceField
            within="result"
            name="is"
            required
            readOnly={readOnly}
            value={text(rule['is'])}
            options={['done', 'refused', 'ongoing', 'unknown']}
            put={(next) => acts.put([...path, i, 'is'], next)}
          />
          <Remove
            text={t('removeRule', { n: i + 1 })}
            disabled={readOnly}
            act={() => acts.put(rules.length === 1 ? path : [...path, i], undefined)}
          />
        </div>
      ))}
      <Text size="xs" c="dimmed">
        {helpOf('', 'result')}
      </Text>
      <Button
        size="xs"
        variant="default"
        disabled={readOnly}
        className={classes['start']!}
        onClick={() =>
          acts.edit(
            (e) => e.insert(path, rules.length, { when: 'status == 404', is: 'refused' }),
            t('addedRule'),
          )
        }
      >
        {t('addRule')}
      </Button>
    </div>
  )
}

/** Optional is a map that is there or not, with its fields if it is. */
export function Optional({
  value,
  path,
  acts,
  readOnly,
  name,
  start,
}: FormProps & { name: string; start: { [key: string]: Json } }) {
  const there = asMap(value[name])
  return (
    <div className={classes['rows']}>
      <Checkbox
        size="xs"
        disabled={readOnly}
        checked={!!there}
        label={
          <>
            {labelOf('', name)} <code className={classes['key']}>{name}</code>
          </>
        }
        onChange={(event) => acts.put([...path, name], event.currentTarget.checked ? start : undefined)}
      />
      {there && <Keys value={there} path={[...path, name]} acts={acts} readOnly={readOnly} within={name} />}
    </div>
  )
}

/** Fold is a part of a form that can be folded. */
export function Fold({ title, open, children }: { title: string; open?: boolean; children: ReactNode }) {
  const [shown, setShown] = useState(!!open)
  return (
    <details className={classes['fold']} open={shown} onToggle={(event) => setShown(event.currentTarget.open)}>
      <summary>{title}</summary>
      {shown && <div className={classes['foldBody']}>{children}</div>}
    </details>
  )
}

function Remove({ text: said, act, disabled }: { text: string; act: () => void; disabled: boolean }) {
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      aria-label={said}
      title={said}
      disabled={disabled}
      onClick={act}
      mt={22}
    >
      <Icon path="M4 4l8 8M12 4l-8 8" size={12} />
    </ActionIcon>
  )
}
