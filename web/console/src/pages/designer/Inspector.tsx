import { ActionIcon, Button, Checkbox, Group, NativeSelect, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState, type ReactNode } from 'react'
import { useWords } from '@/i18n'
import { Icon } from '@/shared/Icon.tsx'
import classes from './Designer.module.css'
import type { Acts } from './acts.ts'
import { ChoiceField, JsonField, NumberField, TextField, YesField } from './fields.tsx'
import { helpOf, labelOf } from './fieldWords.ts'
import { keysAt, nameOfShape, rawShapeAt, solved, type Shape } from './language.ts'
import { listSagas } from './server.ts'
import { asMap, stepList, type Json, type Path, type Source } from './source.ts'
import { casesOf, catchers, fresh, indexOf, kindOf, nameOk, predecessors, stepKinds, type StepKind } from './steps.ts'
import { words } from './words.ts'

export interface InspectorProps {
  readonly source: Source
  readonly id: string
  readonly acts: Acts
  readonly readOnly: boolean
}

const undoKinds = ['call', 'message', 'worker'] as const

/** Inspector is the form of one step: every key of the language. */
export function Inspector({ source, id, acts, readOnly }: InspectorProps) {
  const t = useWords(words)
  const at = indexOf(source.value, id)
  const step = stepList(source.value)[at]
  if (!step) return <p className={classes['none']}>{t('noStep')}</p>
  const kind = kindOf(step)
  const base: Path = ['steps', at]
  const form = { value: step, path: base, acts, readOnly }
  return (
    <div className={classes['form']} role="group" aria-label={t('stepForm', { id })} key={id}>
      <div className={classes['formGrid']}>
        <Rename id={id} source={source} acts={acts} readOnly={readOnly} />
        <NativeSelect size="xs" label={t('kind')} disabled={readOnly} value={kind ?? ''}
          data={stepKinds.map((each) => ({ value: each, label: labelOf('', each) }))}
          onChange={(event) => acts.edit((e) => changeKind(e, at, kind, event.currentTarget.value as StepKind, id), t('changedKind', { id }))} />
      </div>
      <Keys {...form} within="step" keys={['title', 'description']} />
      {kind && <Fold title={labelOf('', kind)} open key={kind}>
        <KindFields kind={kind} {...form} path={[...base, kind]} value={asMap(step[kind]) ?? {}} id={id} />
      </Fold>}
      <Fold title={t('groupFlow')} open>
        <After source={source} id={id} acts={acts} readOnly={readOnly} />
        <Keys {...form} within="step" keys={['when']} />
        <ChoiceField within="step" name="onRefused" readOnly={readOnly} empty={t('defaultIs', { value: 'compensate' })}
          value={text(step['onRefused'])} put={(value) => acts.put([...base, 'onRefused'], value)}
          options={['compensate', 'continue', ...stepList(source.value).flatMap((each) => (each['id'] !== id && typeof each['id'] === 'string' ? [each['id']] : []))]} />
        <Keys {...form} within="step" keys={['pivot', 'readOnly']} />
      </Fold>
      {kind !== 'choice' && (
        <>
          <Fold title={t('groupAgain')} open={'forEach' in step || 'repeat' in step}>
            <Optional {...form} name="forEach" start={{ in: 'input.items' }} />
            <Optional {...form} name="repeat" start={{ until: 'status == 200', every: '5s' }} />
          </Fold>
          <Fold title={t('groupAnswer')} open={'result' in step || 'output' in step}>
            <Rules path={[...base, 'result']} value={step['result']} acts={acts} readOnly={readOnly} />
            <Keys {...form} within="step" keys={['output']} />
          </Fold>
          <Fold title={t('groupTime')} open={'timeout' in step || 'retry' in step}>
            <Keys {...form} within="step" keys={['timeout']} />
            <Keys path={[...base, 'retry']} value={asMap(step['retry']) ?? {}} acts={acts} readOnly={readOnly} within="retry" />
          </Fold>
          <Fold title={labelOf('', 'compensate')} open={'compensate' in step}>
            <Compensation {...form} id={id} />
          </Fold>
        </>
      )}
    </div>
  )
}

interface FormProps {
  readonly value: { readonly [key: string]: Json }
  readonly path: Path
  readonly acts: Acts
  readonly readOnly: boolean
}

function text(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : value === undefined || value === null ? undefined : JSON.stringify(value)
}

/** changeKind has a step be of another kind. What does not belong to the kind stays, and the lint says so. */
function changeKind(e: Parameters<Parameters<Acts['edit']>[0]>[0], at: number, from: StepKind | undefined, to: StepKind, id: string) {
  const value = fresh(to, id, e.value)[to]!
  if (from) e.remove(['steps', at, from])
  e.put(['steps', at, to], value)
}

function Rename({ id, source, acts, readOnly }: InspectorProps) {
  const t = useWords(words)
  const [name, setName] = useState(id)
  useEffect(() => setName(id), [id])
  const taken = name !== id && indexOf(source.value, name) >= 0
  const error = name === id ? undefined : !nameOk(name) ? t('badName') : taken ? t('takenName') : undefined
  const done = () => {
    if (name !== id && !error) acts.rename(id, name)
  }
  return (
    <TextInput size="xs" data-rename label={<>{labelOf('', 'id')} <code className={classes['key']}>id</code></>} value={name}
      error={error} readOnly={readOnly} spellCheck={false} classNames={{ input: classes['mono']! }}
      onChange={(event) => setName(event.currentTarget.value)} onBlur={done}
      onKeyDown={(event) => event.key === 'Enter' && done()} />
  )
}

/** After chooses the predecessors: the edges of the graph for those who do not draw them. */
function After({ source, id, acts, readOnly }: InspectorProps) {
  const t = useWords(words)
  const now = predecessors(source.value, id)
  const caught = catchers(source.value, id)
  const options = stepList(source.value).flatMap((step) => {
    const other = step['id']
    return typeof other === 'string' && other !== id ? [other, ...casesOf(step).map((name) => `${other}.${name}`)] : []
  })
  const gone = now.filter((edge) => !options.includes(edge))
  return (
    <fieldset className={classes['after']}>
      <legend>
        {labelOf('', 'after')} <code className={classes['key']}>after</code>
      </legend>
      {caught.length > 0 && <Text size="xs" c="dimmed">{t('afterRefusal', { steps: caught.join(', ') })}</Text>}
      <div className={classes['afterList']}>
        {[...options, ...gone].map((edge) => (
          <Checkbox key={edge} size="xs" label={edge} disabled={readOnly || caught.length > 0} checked={now.includes(edge)}
            onChange={(event) => (event.currentTarget.checked ? acts.connect(edge, id) : acts.disconnect(edge, id))} />
        ))}
      </div>
      <Text size="xs" c="dimmed">{now.length === 0 && caught.length === 0 ? t('beginsAtOnce') : helpOf('', 'after')}</Text>
    </fieldset>
  )
}

/** Keys are fields for keys of a map, made from the published schema. */
function Keys({ value, path, acts, readOnly, within, keys }: FormProps & { within: string; keys?: readonly string[] }) {
  return (
    <div className={classes['formGrid']}>
      {keysAt(path).map(([key]) => {
        if (keys && !keys.includes(key)) return null
        return <Field key={key} within={within} name={key} shape={rawShapeAt([...path, key]) ?? {}} value={value[key]}
          readOnly={readOnly} put={(next) => acts.put([...path, key], next)} />
      })}
    </div>
  )
}

/** Field is one field, of the kind that the schema asks for. */
function Field(props: { within: string; name: string; shape: Shape; value: Json | undefined; readOnly: boolean; put: (value: Json | undefined) => void }) {
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
    return <TextField {...own} value={list} put={(next) => put(next?.split(',').map((each) => each.trim()).filter(Boolean))} />
  }
  if (['value', 'mapping', 'headers', 'schema'].includes(name)) {
    return wide(<JsonField {...own} value={value} put={put} map={name === 'mapping' || name === 'headers'} />)
  }
  const mono = ['expression', 'template', 'duration', 'wireName', 'variable', 'name'].includes(name)
  const field = (
    <TextField {...own} value={text(value)} mono={mono} multi={props.name === 'description' || props.name === 'prompt'}
      put={(next) => put(next)} placeholder={name === 'duration' ? '30s, 5m, 1h30m' : undefined} />
  )
  return ['url', 'description', 'prompt', 'when', 'in', 'until', 'title'].includes(props.name) ? wide(field) : field
}

function KindFields({ kind, id, ...form }: FormProps & { kind: StepKind; id: string }) {
  if (kind === 'choice') return <Cases {...form} id={id} />
  if (kind === 'subSaga') {
    return (
      <>
        <SagaField {...form} />
        <Keys {...form} within="subSaga" />
      </>
    )
  }
  return <Keys {...form} within={kind} />
}

/** SagaField chooses a published saga. */
function SagaField({ value, path, acts, readOnly }: FormProps) {
  const t = useWords(words)
  const sagas = useQuery({ queryKey: ['designer', 'sagas'], queryFn: ({ signal }) => listSagas(undefined, signal), staleTime: 30_000 })
  const names = (sagas.data?.items ?? []).flatMap((each) => (each.language === 'concord' && each.name ? [each.name] : []))
  return (
    <NativeSelect size="xs" label={t('published')} disabled={readOnly} value={names.includes(String(value['saga'])) ? String(value['saga']) : ''}
      data={[{ value: '', label: t('chooseSaga') }, ...names]}
      onChange={(event) => event.currentTarget.value && acts.put([...path, 'saga'], event.currentTarget.value)} />
  )
}

/** Cases are the ways of a choice. A case that is renamed is followed by the edges that name it. */
function Cases({ value, path, acts, readOnly, id }: FormProps & { id: string }) {
  const t = useWords(words)
  const cases = Array.isArray(value['cases']) ? value['cases'].map((each) => asMap(each) ?? {}) : []
  const names = casesOf({ choice: value as { [key: string]: Json } })
  return (
    <div className={classes['rows']}>
      {cases.map((each, i) => (
        <div key={i} className={classes['row']}>
          <TextField within="choice" name="case" readOnly={readOnly} mono value={text(each['case'])}
            put={(next) => {
              if (!next || !nameOk(next)) return t('badName')
              if (names.includes(next)) return t('takenName')
              acts.renameCase(id, String(each['case']), next)
              return undefined
            }} />
          <TextField within="choice" name="when" readOnly={readOnly} mono value={text(each['when'])}
            put={(next) => acts.put([...path, 'cases', i, 'when'], next ?? 'true')} />
          <Remove text={t('removeCase', { name: String(each['case']) })} disabled={readOnly || cases.length < 2}
            act={() => acts.put([...path, 'cases', i], undefined)} />
        </div>
      ))}
      <Group align="end" gap="sm">
        <TextField within="choice" name="else" readOnly={readOnly} mono value={text(value['else'])}
          put={(next) => {
            const was = text(value['else'])
            if (next && !nameOk(next)) return t('badName')
            if (next && was) acts.renameCase(id, was, next)
            else acts.put([...path, 'else'], next)
            return undefined
          }} />
        <Button size="xs" variant="default" disabled={readOnly}
          onClick={() => acts.edit((e) => e.insert([...path, 'cases'], cases.length, { case: freeCase(names), when: 'saga.key != ""' }), t('addedCase'))}>
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
function Rules({ value, path, acts, readOnly }: { value: Json | undefined; path: Path; acts: Acts; readOnly: boolean }) {
  const t = useWords(words)
  const rules = Array.isArray(value) ? value.map((each) => asMap(each) ?? {}) : []
  return (
    <div className={classes['rows']}>
      <Text size="xs" fw={600}>
        {labelOf('', 'result')} <code className={classes['key']}>result</code>
      </Text>
      {rules.map((rule, i) => (
        <div key={i} className={classes['row']}>
          <TextField within="result" name="when" readOnly={readOnly} mono value={text(rule['when'])}
            put={(next) => acts.put([...path, i, 'when'], next ?? 'true')} />
          <ChoiceField within="result" name="is" required readOnly={readOnly} value={text(rule['is'])}
            options={['done', 'refused', 'ongoing', 'unknown']} put={(next) => acts.put([...path, i, 'is'], next)} />
          <Remove text={t('removeRule', { n: i + 1 })} disabled={readOnly}
            act={() => acts.put(rules.length === 1 ? path : [...path, i], undefined)} />
        </div>
      ))}
      <Text size="xs" c="dimmed">{helpOf('', 'result')}</Text>
      <Button size="xs" variant="default" disabled={readOnly} className={classes['start']!}
        onClick={() => acts.edit((e) => e.insert(path, rules.length, { when: 'status == 404', is: 'refused' }), t('addedRule'))}>
        {t('addRule')}
      </Button>
    </div>
  )
}

/** Optional is a map that is there or not, with its fields if it is. */
function Optional({ value, path, acts, readOnly, name, start }: FormProps & { name: string; start: { [key: string]: Json } }) {
  const there = asMap(value[name])
  return (
    <div className={classes['rows']}>
      <Checkbox size="xs" disabled={readOnly} checked={!!there}
        label={<>{labelOf('', name)} <code className={classes['key']}>{name}</code></>}
        onChange={(event) => acts.put([...path, name], event.currentTarget.checked ? start : undefined)} />
      {there && <Keys value={there} path={[...path, name]} acts={acts} readOnly={readOnly} within={name} />}
    </div>
  )
}

function Compensation({ value, path, acts, readOnly, id }: FormProps & { id: string }) {
  const t = useWords(words)
  const undo = asMap(value['compensate'])
  const kind = undo ? undoKinds.find((each) => each in undo) : undefined
  const at: Path = [...path, 'compensate']
  const choose = (next: string) => {
    if (next === '') acts.put(at, undefined)
    else acts.put(at, asMap(fresh(next as StepKind, id, undefined)['compensate'])!)
  }
  return (
    <div className={classes['rows']}>
      <NativeSelect size="xs" label={t('undoneBy')} description={helpOf('', 'compensate')} disabled={readOnly} value={kind ?? ''}
        inputWrapperOrder={['label', 'input', 'description']}
        data={[{ value: '', label: t('notUndone') }, ...undoKinds.map((each) => ({ value: each, label: labelOf('', each) }))]}
        onChange={(event) => choose(event.currentTarget.value)} />
      {undo && kind && (
        <>
          <Keys value={asMap(undo[kind]) ?? {}} path={[...at, kind]} acts={acts} readOnly={readOnly} within={kind} />
          <Rules path={[...at, 'result']} value={undo['result']} acts={acts} readOnly={readOnly} />
          <Keys value={undo} path={at} acts={acts} readOnly={readOnly} within="compensate" keys={['timeout']} />
          <Keys value={asMap(undo['retry']) ?? {}} path={[...at, 'retry']} acts={acts} readOnly={readOnly} within="retry" />
        </>
      )}
    </div>
  )
}

/** Fold is a part of a form that can be folded. */
function Fold({ title, open, children }: { title: string; open?: boolean; children: ReactNode }) {
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
    <ActionIcon variant="subtle" color="gray" aria-label={said} title={said} disabled={disabled} onClick={act} mt={22}>
      <Icon path="M4 4l8 8M12 4l-8 8" size={12} />
    </ActionIcon>
  )
}

/** SagaForm is the form of the saga as a whole. */
export function SagaForm({ source, acts, readOnly }: Omit<InspectorProps, 'id'>) {
  const t = useWords(words)
  const value = asMap(source.value) ?? {}
  return (
    <div className={classes['form']} role="group" aria-label={t('sagaForm')}>
      <Keys value={value} path={[]} acts={acts} readOnly={readOnly} within="saga"
        keys={['name', 'title', 'description', 'deadline', 'onDeadline', 'input', 'output']} />
    </div>
  )
}
