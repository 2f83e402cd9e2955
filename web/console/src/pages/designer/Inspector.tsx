import { Checkbox, NativeSelect, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { useWords } from '@/i18n'
import classes from './Designer.module.css'
import type { Acts } from './acts.ts'
import { ChoiceField } from './fields.tsx'
import { helpOf, labelOf } from './fieldWords.ts'
import { Cases, Fold, Keys, Optional, Rules, text, type FormProps } from './parts.tsx'
import { listSagas } from './server.ts'
import { asMap, stepList, type Path, type Source } from './source.ts'
import {
  casesOf,
  catchers,
  fresh,
  indexOf,
  kindOf,
  nameOk,
  predecessors,
  stepKinds,
  type StepKind,
} from './steps.ts'
import { words } from './words.ts'

export interface InspectorProps {
  readonly source: Source
  readonly id: string
  readonly acts: Acts
  readonly readOnly: boolean
  /** Somebody has asked to rename the step: the field for that takes the focus, and says so. */
  readonly naming?: boolean
  readonly onNamed?: () => void
}

const undoKinds = ['call', 'message', 'worker'] as const

/** Inspector is the form of one step: every key of the language. */
export function Inspector({ source, id, acts, readOnly, naming, onNamed }: InspectorProps) {
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
        <Rename
          id={id}
          source={source}
          acts={acts}
          readOnly={readOnly}
          naming={!!naming}
          {...(onNamed ? { onNamed } : {})}
        />
        <NativeSelect
          size="xs"
          label={t('kind')}
          disabled={readOnly}
          value={kind ?? ''}
          data={stepKinds.map((each) => ({ value: each, label: labelOf('', each) }))}
          onChange={(event) =>
            acts.edit(
              (e) => changeKind(e, at, kind, event.currentTarget.value as StepKind, id),
              t('changedKind', { id }),
            )
          }
        />
      </div>
      <Keys {...form} within="step" keys={['title', 'description']} />
      {kind && (
        <Fold title={labelOf('', kind)} open key={kind}>
          <KindFields kind={kind} {...form} path={[...base, kind]} value={asMap(step[kind]) ?? {}} id={id} />
        </Fold>
      )}
      <Fold title={t('groupFlow')} open>
        <After source={source} id={id} acts={acts} readOnly={readOnly} />
        <Keys {...form} within="step" keys={['when']} />
        <ChoiceField
          within="step"
          name="onRefused"
          readOnly={readOnly}
          empty={t('defaultIs', { value: 'compensate' })}
          value={text(step['onRefused'])}
          put={(value) => acts.put([...base, 'onRefused'], value)}
          options={[
            'compensate',
            'continue',
            ...stepList(source.value).flatMap((each) =>
              each['id'] !== id && typeof each['id'] === 'string' ? [each['id']] : [],
            ),
          ]}
        />
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
            <Keys
              path={[...base, 'retry']}
              value={asMap(step['retry']) ?? {}}
              acts={acts}
              readOnly={readOnly}
              within="retry"
            />
          </Fold>
          <Fold title={labelOf('', 'compensate')} open={'compensate' in step}>
            <Compensation {...form} id={id} />
          </Fold>
        </>
      )}
    </div>
  )
}

/** changeKind has a step be of another kind. What does not belong to the kind stays, and the lint says so. */
function changeKind(
  e: Parameters<Parameters<Acts['edit']>[0]>[0],
  at: number,
  from: StepKind | undefined,
  to: StepKind,
  id: string,
) {
  const value = fresh(to, id, e.value)[to]!
  if (from) e.remove(['steps', at, from])
  e.put(['steps', at, to], value)
}

function Rename({ id, source, acts, readOnly, naming, onNamed }: InspectorProps) {
  const t = useWords(words)
  const [name, setName] = useState(id)
  const box = useRef<HTMLInputElement>(null)
  useEffect(() => setName(id), [id])
  useEffect(() => {
    if (!naming) return
    box.current?.focus()
    box.current?.select()
    onNamed?.()
  }, [naming, onNamed])
  const taken = name !== id && indexOf(source.value, name) >= 0
  const error = name === id ? undefined : !nameOk(name) ? t('badName') : taken ? t('takenName') : undefined
  const done = () => {
    if (name !== id && !error) acts.rename(id, name)
  }
  return (
    <TextInput
      size="xs"
      data-rename
      ref={box}
      label={
        <>
          {labelOf('', 'id')} <code className={classes['key']}>id</code>
        </>
      }
      value={name}
      error={error}
      readOnly={readOnly}
      spellCheck={false}
      classNames={{ input: classes['mono']! }}
      onChange={(event) => setName(event.currentTarget.value)}
      onBlur={done}
      onKeyDown={(event) => event.key === 'Enter' && done()}
    />
  )
}

/** After chooses the predecessors: the edges of the graph for those who do not draw them. */
function After({ source, id, acts, readOnly }: InspectorProps) {
  const t = useWords(words)
  const now = predecessors(source.value, id)
  const caught = catchers(source.value, id)
  const options = stepList(source.value).flatMap((step) => {
    const other = step['id']
    return typeof other === 'string' && other !== id
      ? [other, ...casesOf(step).map((name) => `${other}.${name}`)]
      : []
  })
  const gone = now.filter((edge) => !options.includes(edge))
  return (
    <fieldset className={classes['after']}>
      <legend>
        {labelOf('', 'after')} <code className={classes['key']}>after</code>
      </legend>
      {caught.length > 0 && (
        <Text size="xs" c="dimmed">
          {t('afterRefusal', { steps: caught.join(', ') })}
        </Text>
      )}
      <div className={classes['afterList']}>
        {[...options, ...gone].map((edge) => (
          <Checkbox
            key={edge}
            size="xs"
            label={edge}
            disabled={readOnly || caught.length > 0}
            checked={now.includes(edge)}
            onChange={(event) =>
              event.currentTarget.checked ? acts.connect(edge, id) : acts.disconnect(edge, id)
            }
          />
        ))}
      </div>
      <Text size="xs" c="dimmed">
        {now.length === 0 && caught.length === 0 ? t('beginsAtOnce') : helpOf('', 'after')}
      </Text>
    </fieldset>
  )
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
  const sagas = useQuery({
    queryKey: ['designer', 'sagas'],
    queryFn: ({ signal }) => listSagas(undefined, signal),
    staleTime: 30_000,
  })
  const names = (sagas.data?.items ?? []).flatMap((each) =>
    each.language === 'concord' && each.name ? [each.name] : [],
  )
  return (
    <NativeSelect
      size="xs"
      label={t('published')}
      disabled={readOnly}
      value={names.includes(String(value['saga'])) ? String(value['saga']) : ''}
      data={[{ value: '', label: t('chooseSaga') }, ...names]}
      onChange={(event) => event.currentTarget.value && acts.put([...path, 'saga'], event.currentTarget.value)}
    />
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
      <NativeSelect
        size="xs"
        label={t('undoneBy')}
        description={helpOf('', 'compensate')}
        disabled={readOnly}
        value={kind ?? ''}
        inputWrapperOrder={['label', 'input', 'description']}
        data={[
          { value: '', label: t('notUndone') },
          ...undoKinds.map((each) => ({ value: each, label: labelOf('', each) })),
        ]}
        onChange={(event) => choose(event.currentTarget.value)}
      />
      {undo && kind && (
        <>
          <Keys
            value={asMap(undo[kind]) ?? {}}
            path={[...at, kind]}
            acts={acts}
            readOnly={readOnly}
            within={kind}
          />
          <Rules path={[...at, 'result']} value={undo['result']} acts={acts} readOnly={readOnly} />
          <Keys value={undo} path={at} acts={acts} readOnly={readOnly} within="compensate" keys={['timeout']} />
          <Keys
            value={asMap(undo['retry']) ?? {}}
            path={[...at, 'retry']}
            acts={acts}
            readOnly={readOnly}
            within="retry"
          />
        </>
      )}
    </div>
  )
}

/** SagaForm is the form of the saga as a whole. */
export function SagaForm({ source, acts, readOnly }: Omit<InspectorProps, 'id'>) {
  const t = useWords(words)
  const value = asMap(source.value) ?? {}
  return (
    <div className={classes['form']} role="group" aria-label={t('sagaForm')}>
      <Keys
        value={value}
        path={[]}
        acts={acts}
        readOnly={readOnly}
        within="saga"
        keys={['name', 'deadline', 'onDeadline', 'title', 'description', 'input', 'output']}
      />
    </div>
  )
}
