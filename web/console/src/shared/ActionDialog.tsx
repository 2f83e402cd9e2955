import { Anchor, Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react'
import { Link } from 'react-router'
import { Refused, idempotencyKey } from '@/api/client.ts'
import { useMay } from '@/api/session.ts'
import { useWords, type Say } from '@/i18n'
import { absolute, count } from '@/i18n/format.ts'
import classes from './ActionDialog.module.css'
import { fieldProblem, reasonBytes, reasonBytesMax, undecided } from './actions/check.ts'
import type { Action, Consequence, Given, Line, Planned, Progress, Sent } from './actions/model.ts'
import { words } from './actions/words.ts'
import { ErrorBox } from './ErrorBox.tsx'
import { Icon } from './Icon.tsx'
import { Loading } from './Loading.tsx'
import { Mark, StatusBadge, type Tone } from './StatusBadge.tsx'
import { When } from './When.tsx'
import { Copy } from './Xid.tsx'

export interface ActionDialogProps {
  /** What is to be done; undefined while the dialog is closed. Make it once for each opening. */
  readonly action: Action | undefined
  readonly onClose: () => void
  /** Called when the server has accepted it. */
  readonly onAccepted?: () => void
}

/** ActionDialog shows the plan of an operation, asks why, sends it, and follows what comes of it: accepted, attempted,
 * result. It never says that something is done before that is known. */
export function ActionDialog({ action, onClose, onAccepted }: ActionDialogProps) {
  const t = useWords(words)
  return (
    <Modal
      opened={!!action}
      onClose={onClose}
      size={620}
      title={action?.title ?? ''}
      returnFocus
      closeButtonProps={{ 'aria-label': t('close') }}
      classNames={{ title: classes['title']! }}
    >
      {action && (
        <Body key={action.title} action={action} onClose={onClose} {...(onAccepted ? { onAccepted } : {})} />
      )}
    </Modal>
  )
}

function Body({
  action,
  onClose,
  onAccepted,
}: {
  action: Action
  onClose: () => void
  onAccepted?: () => void
}) {
  const flow = useFlow(action, onAccepted)
  const { sent } = flow
  return (
    <Stack gap="md">
      <div>
        {action.text && <Text mb={6}>{action.text}</Text>}
        <div className={classes['subject']}>
          <span className="mono">{action.subject}</span>
          <Copy text={action.subject} />
        </div>
      </div>
      {sent ? (
        <After sent={sent} progress={flow.progress} onClose={onClose} />
      ) : (
        <Before action={action} flow={flow} onClose={onClose} />
      )}
    </Stack>
  )
}

interface Flow {
  readonly planned: Planned | undefined
  readonly changed: boolean
  readonly error: unknown
  readonly sending: boolean
  /** Whether something was sent of which nobody knows whether it was carried out: it can only be sent again. */
  readonly open: boolean
  readonly sent: Sent | undefined
  readonly progress: Progress | undefined
  readonly replan: () => void
  readonly send: (reason: string, fields: Record<string, string>) => void
}

/** useFlow goes through planning, sending and following, one after the other. */
function useFlow(action: Action, onAccepted: (() => void) | undefined): Flow {
  const [round, setRound] = useState(0)
  const [planned, setPlanned] = useState<Planned>()
  const [changed, setChanged] = useState(false)
  const [error, setError] = useState<unknown>()
  const [sending, setSending] = useState(false)
  const [sent, setSent] = useState<Sent>()
  const [progress, setProgress] = useState<Progress>()
  const [open, setOpen] = useState<Given>()
  const key = useRef(idempotencyKey())
  useEffect(() => {
    const stop = new AbortController()
    setPlanned(undefined)
    action.plan(stop.signal).then(
      (plan) => !stop.signal.aborted && setPlanned(plan),
      (failure: unknown) => !stop.signal.aborted && setError(failure),
    )
    return () => stop.abort()
  }, [action, round])
  useEffect(() => sent?.follow?.(setProgress), [sent])
  const replan = () => {
    setError(undefined)
    key.current = idempotencyKey()
    setRound((n) => n + 1)
  }
  const send = (reason: string, fields: Record<string, string>) => {
    setSending(true)
    setError(undefined)
    const given = open ?? { digest: planned?.digest ?? '', reason, fields, key: key.current }
    action.send(given).then(
      (answer) => {
        setSending(false)
        setProgress('progress' in answer ? answer.progress : undefined)
        setSent(answer)
        onAccepted?.()
      },
      (failure: unknown) => {
        setSending(false)
        // The same key with anything else in it would be refused, and another key might do it twice.
        setOpen(undecided(failure) ? given : undefined)
        if (failure instanceof Refused && failure.code === 'planChanged') {
          setChanged(true)
          replan()
          return
        }
        // A refusal has changed nothing, so that another try is another wish; silence leaves it open.
        if (!undecided(failure)) key.current = idempotencyKey()
        setError(failure)
      },
    )
  }
  return { planned, changed, error, sending, open: open !== undefined, sent, progress, replan, send }
}

interface Entered {
  readonly reason: string
  readonly typed: string
  readonly fields: Record<string, string>
}

/** mistakes says what is wrong with what was entered, by the name of the field; empty where nothing is. */
function mistakes(
  action: Action,
  entered: Entered,
  t: Say<keyof (typeof words)['en']>,
): Record<string, string> {
  const size = reasonBytes(entered.reason)
  const found: Record<string, string> = {}
  if (size > reasonBytesMax) found['reason'] = t('reasonLong', { n: size })
  if (size === 0 && action.reason === 'required') found['reason'] = t('reasonMissing')
  const { confirm } = action
  if (confirm && entered.typed.trim() !== confirm) found['typed'] = t('notTyped', { text: confirm })
  for (const field of action.fields ?? []) {
    const problem = fieldProblem(field, entered.fields[field.name] ?? '')
    if (problem) found[`field ${field.name}`] = problem
  }
  return found
}

function Before({ action, flow, onClose }: { action: Action; flow: Flow; onClose: () => void }) {
  const t = useWords(words)
  const [entered, setEntered] = useState<Entered>(() => ({
    reason: '',
    typed: '',
    fields: Object.fromEntries((action.fields ?? []).map((f) => [f.name, f.initial ?? ''])),
  }))
  const [tried, setTried] = useState(false)
  const may = useMay(action.role)
  const form = useRef<HTMLFormElement>(null)
  const wrong = mistakes(action, entered, t)
  const shown = tried ? wrong : {}
  const enter = (part: Partial<Entered>) => setEntered((was) => ({ ...was, ...part }))
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!flow.planned || flow.sending || !may) return
    if (Object.keys(wrong).length === 0) return flow.send(entered.reason.trim(), entered.fields)
    setTried(true)
    requestAnimationFrame(() => form.current?.querySelector<HTMLInputElement>('[aria-invalid="true"]')?.focus())
  }
  return (
    <form ref={form} noValidate onSubmit={submit}>
      <Stack gap="md">
        {flow.changed && (
          <div className={classes['notice']} role="status">
            {t('planChanged')}
          </div>
        )}
        <PlanBox planned={flow.planned} failed={!!flow.error} />
        <Failure flow={flow} />
        {(action.fields ?? []).map((field) => (
          <TextInput
            key={field.name}
            label={field.label}
            description={field.help}
            required={field.required ?? false}
            value={entered.fields[field.name] ?? ''}
            readOnly={flow.open}
            error={shown[`field ${field.name}`]}
            onChange={(e) => enter({ fields: { ...entered.fields, [field.name]: e.currentTarget.value } })}
            {...(field.kind === 'json' ? { classNames: { input: 'mono' } } : {})}
          />
        ))}
        {action.reason !== 'none' && (
          <TextInput
            data-autofocus
            label={t(action.reason === 'required' ? 'reason' : 'reasonOptional')}
            description={t('reasonHelp')}
            required={action.reason === 'required'}
            value={entered.reason}
            readOnly={flow.open}
            error={shown['reason']}
            onChange={(e) => enter({ reason: e.currentTarget.value })}
          />
        )}
        {action.confirm && (
          <TextInput
            label={t('confirmLabel', { text: action.confirm })}
            required
            autoComplete="off"
            spellCheck={false}
            value={entered.typed}
            error={shown['typed']}
            onChange={(e) => enter({ typed: e.currentTarget.value })}
            classNames={{ input: 'mono' }}
          />
        )}
        <Group justify="flex-end" gap="xs">
          {!may && <Text size="sm">{t('needsRole', { role: action.role })}</Text>}
          <Button variant="default" onClick={onClose}>
            {t(flow.sending ? 'closeFollow' : flow.open ? 'close' : 'back')}
          </Button>
          <Button
            type="submit"
            loading={flow.sending}
            disabled={!flow.planned || !may}
            {...(action.confirm ? { className: classes['danger']! } : {})}
          >
            {action.verb}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

/** Failure shows why there is no plan, or why it was not sent. */
function Failure({ flow }: { flow: Flow }) {
  const t = useWords(words)
  if (!flow.error) return null
  return (
    <div>
      <ErrorBox error={flow.error} {...(flow.planned ? {} : { retry: flow.replan })} />
      {flow.open && (
        <Text size="sm" mt={6}>
          {t('unknownSent')}
        </Text>
      )}
    </div>
  )
}

const shapes: Record<Consequence['kind'], string> = {
  decides: 'M8 2v5M8 7L3 13M8 7l5 6',
  calls: 'M2 8h10M8 4l4 4-4 4',
  frees: 'M4 7h8v7H4zM5.5 7V5a2.5 2.5 0 0 1 5-.5',
  publishes: 'M2 4h12v8H2zM2 4l6 5 6-5',
  leaves: 'M5 3v10M11 3v10',
  does: 'M3 8.5l3.5 3.5L13 5',
  warns: 'M8 2.5l6 11H2zM8 7v3M8 12v.2',
}
const itemsShown = 8

function PlanBox({ planned, failed }: { planned: Planned | undefined; failed: boolean }) {
  const t = useWords(words)
  if (!planned && failed) return null
  return (
    <section className={classes['box']} aria-label={t('willHappen')} aria-busy={!planned}>
      <h3 className={classes['boxTitle']}>{t(planned ? 'willHappen' : 'planning')}</h3>
      {!planned ? (
        <Loading rows={2} />
      ) : (
        <>
          {planned.consequences.length === 0 && <Text size="sm">{t('nothingPlanned')}</Text>}
          <ul className={classes['plan']}>
            {planned.consequences.map((one, i) => (
              <li key={i} className={classes['one']}>
                <span className={classes['icon']} data-kind={one.kind}>
                  <Icon path={shapes[one.kind]} size={14} />
                </span>
                <div className={classes['what']} data-kind={one.kind}>
                  {one.text}
                  <Items items={one.items ?? []} />
                </div>
              </li>
            ))}
          </ul>
          {planned.from && (
            <div className={classes['edge']}>
              <span>{t('status')}</span>
              <StatusBadge status={planned.from} />
              {planned.to && planned.to !== planned.from ? (
                <>
                  <Icon path="M2 8h10M8 4l4 4-4 4" size={14} />
                  <StatusBadge status={planned.to} />
                </>
              ) : (
                <span>{t('stays')}</span>
              )}
            </div>
          )}
        </>
      )}
    </section>
  )
}

function Items({ items }: { items: readonly string[] }) {
  const t = useWords(words)
  if (items.length === 0) return null
  return (
    <ul className={classes['items']}>
      {items.slice(0, itemsShown).map((item, i) => (
        <li key={i} className="mono">
          {item}
        </li>
      ))}
      {items.length > itemsShown && <li>{t('more', { n: count(items.length - itemsShown) })}</li>}
    </ul>
  )
}

function After({
  sent,
  progress,
  onClose,
}: {
  sent: Sent
  progress: Progress | undefined
  onClose: () => void
}) {
  const t = useWords(words)
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => button.current?.focus(), [])
  const approval = 'approval' in sent ? sent.approval : undefined
  const over = progress?.over ?? false
  return (
    <>
      {approval && (
        <div className={classes['notice']}>
          <strong>{t('approvalTitle')}</strong>
          <div>{t('approvalText', { at: absolute(approval.expiresAt ?? 0) })}</div>
          <Anchor
            component={Link}
            size="sm"
            to={`/inbox?kind=approval&open=${encodeURIComponent(approval.id ?? '')}`}
          >
            {t('approvalLink')}
          </Anchor>
        </div>
      )}
      <Steps progress={progress} waits={!!approval} />
      <Group justify="flex-end">
        <Button ref={button} variant={over ? 'filled' : 'default'} onClick={onClose}>
          {t(over || approval ? 'close' : 'closeFollow')}
        </Button>
      </Group>
    </>
  )
}

type Dot = 'waiting' | 'working' | 'done' | 'none' | Tone

const dots: Partial<Record<Dot, string>> = {
  done: 'M3 8.5l3.5 3.5L13 5',
  good: 'M3 8.5l3.5 3.5L13 5',
  none: 'M4 8h8',
  bad: 'M4 4l8 8M12 4l-8 8',
  warn: 'M8 3v6M8 12v.2',
  working: 'M8 4v4l3 2',
  work: 'M8 4v4l3 2',
  undo: 'M6 3L2.5 6.5 6 10M3 6.5h6a4 4 0 0 1 0 8H6',
}

/** Steps shows how far it has come. It is read out when it changes. */
function Steps({ progress, waits }: { progress: Progress | undefined; waits: boolean }) {
  const t = useWords(words)
  const accepted: Dot = waits && !progress?.over ? 'waiting' : 'done'
  return (
    <div role="status" data-over={progress?.over ?? false}>
      <ol className={classes['steps']}>
        <Step dot={accepted} name={t('accepted')} text={progress?.accepted ?? t('approvalWaits')} />
        <Step
          dot={progress?.attempted.state ?? 'waiting'}
          name={t('attempted')}
          text={progress?.attempted.text ?? ''}
        >
          <Lines lines={progress?.lines ?? []} />
        </Step>
        <Step
          dot={progress?.result.state ?? 'waiting'}
          name={t('result')}
          text={progress?.result.text ?? t('resultWaiting')}
        />
      </ol>
    </div>
  )
}

function Step({ dot, name, text, children }: { dot: Dot; name: string; text: string; children?: ReactNode }) {
  return (
    <li className={classes['step']}>
      <span className={classes['dot']} data-state={dot}>
        {dots[dot] && <Icon path={dots[dot]} size={14} />}
      </span>
      <div>
        <div className={classes['stepName']}>{name}</div>
        <Text size="sm" c={dot === 'waiting' ? 'dimmed' : undefined}>
          {text}
        </Text>
        {children}
      </div>
    </li>
  )
}

const tones: Record<Line['state'], Tone> = {
  waiting: 'idle',
  asked: 'work',
  done: 'good',
  refused: 'bad',
  failed: 'bad',
  unasked: 'warn',
  ongoing: 'work',
  left: 'warn',
}
const linesShown = 50

function Lines({ lines }: { lines: readonly Line[] }) {
  const t = useWords(words)
  if (lines.length === 0) return null
  return (
    <ul className={classes['lines']} tabIndex={lines.length > 5 ? 0 : undefined}>
      {lines.slice(0, linesShown).map((line) => (
        <li key={line.id} className={classes['line']}>
          <Mark tone={tones[line.state]} text={t(`line_${line.state}`)} /> {line.name}
          {line.again && (
            <span className="dim">
              {' '}
              · {t('again')} <When at={line.again} />
            </span>
          )}
          {line.said && <span className={`${classes['said']} mono`}>{line.said}</span>}
        </li>
      ))}
      {lines.length > linesShown && (
        <li className="dim">{t('more', { n: count(lines.length - linesShown) })}</li>
      )}
    </ul>
  )
}
