import { Button, Group, Modal, Select, Stack, Text, Textarea } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { Link, useNavigate } from 'react-router'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import classes from './jobs.module.css'
import { Plan } from './Plan.tsx'
import { actions, rates, roleOf, type Action, type Job } from './progress.ts'
import { discardJob, planJob, useStart, type Target } from './useJobs.ts'
import { words } from './words.ts'

export interface JobDialogProps {
  action: Action
  target: Target
  onClose: () => void
}

/** JobDialog shows what an operation on many transactions would do, asks why, and starts it. */
export function JobDialog(props: JobDialogProps) {
  const t = useWords(words)
  const navigate = useNavigate()
  const [action, setAction] = useState(props.action)
  const [rate, setRate] = useState(200)
  const [reason, setReason] = useState('')
  // The list behind goes on, and takes out what is put right: the plan that is read stays as it is.
  const [target] = useState(props.target)
  const plan = usePlan(action, target, rate)
  const start = useStart()
  const [tried, setTried] = useState(false)
  const reasonBox = useRef<HTMLTextAreaElement>(null)
  const job = plan.data
  const close = () => {
    plan.discard()
    props.onClose()
  }
  const begin = () => {
    if (!job) return
    if (!reason.trim()) {
      setTried(true)
      reasonBox.current?.focus()
      return
    }
    plan.keep()
    start.mutate(
      { job, reason: reason.trim() },
      {
        onSuccess: (answer) => {
          if (!answer.approval) void navigate(`/jobs/${job.id}`)
        },
      },
    )
  }
  const title = t('planTitle', { action: t(action) })
  if (start.data?.approval) {
    return (
      <Modal
        opened
        onClose={props.onClose}
        title={title}
        size="lg"
        transitionProps={{ duration: 0 }}
        closeButtonProps={{ 'aria-label': t('close') }}
      >
        <Stack gap="sm" align="flex-start">
          <Mark tone="warn" text={t('secondPerson')} />
          <Text size="sm">{t('secondPersonText')}</Text>
          <Group gap="xs">
            <Button component={Link} to="/inbox" size="xs">
              {t('toInbox')}
            </Button>
            <Button variant="default" size="xs" onClick={props.onClose}>
              {t('close')}
            </Button>
          </Group>
        </Stack>
      </Modal>
    )
  }
  const why = !job ? t('planning') : job.total === 0 ? t('nothing') : undefined
  return (
    <Modal
      opened
      onClose={close}
      title={title}
      size="lg"
      transitionProps={{ duration: 0 }}
      closeButtonProps={{ 'aria-label': t('close') }}
    >
      <Stack gap="sm">
        <div className={classes['two']}>
          <Select
            size="xs"
            label={t('operation')}
            value={action}
            allowDeselect={false}
            description={t(`${action}Help`)}
            inputWrapperOrder={['label', 'input', 'description']}
            data={actions.map((each) => ({ value: each, label: t(each) }))}
            onChange={(value) => setAction((value as Action) ?? action)}
          />
          <Select
            size="xs"
            label={t('rate')}
            value={String(rate)}
            allowDeselect={false}
            data={rates.map((each) => ({ value: String(each), label: count(each) }))}
            onChange={(value) => setRate(Number(value ?? rate))}
          />
        </div>
        {plan.error ? (
          <ErrorBox error={plan.error} retry={plan.again} />
        ) : job && !plan.isFetching ? (
          <Plan job={job} />
        ) : (
          <Loading rows={4} />
        )}
        <Textarea
          ref={reasonBox}
          error={tried && !reason.trim() ? t('reasonMissing') : undefined}
          label={t('reason')}
          placeholder={t('reasonHint')}
          value={reason}
          autosize
          minRows={2}
          maxLength={160}
          required
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {start.error && <ErrorBox error={start.error} retry={plan.again} />}
        <Group justify="space-between" gap="xs">
          <Text size="xs" c="dimmed">
            {t('onlyPlanned')}
          </Text>
          <Group gap="xs">
            <Button variant="default" onClick={close}>
              {t('close')}
            </Button>
            <MayButton
              role={roleOf(action)}
              reason={why}
              loading={start.isPending}
              onClick={begin}
              color={action === 'release' ? 'red' : 'brand'}
            >
              {t('startThis', { action: t(action), count: count(job?.total ?? 0) })}
            </MayButton>
          </Group>
        </Group>
      </Stack>
    </Modal>
  )
}

/** usePlan has a plan made for what is chosen, and drops those that are replaced or not started. */
function usePlan(action: Action, target: Target, rate: number) {
  const [turn, setTurn] = useState(0)
  const held = useRef<Job | undefined>(undefined)
  const drop = () => {
    const id = held.current?.id
    held.current = undefined
    if (id) void discardJob(id)
  }
  const query = useQuery({
    queryKey: ['job-plan', action, target, rate, turn],
    queryFn: async () => {
      drop()
      return (held.current = await planJob(action, target, rate))
    },
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
  })
  const latest = useRef(drop)
  latest.current = drop
  useEffect(() => () => latest.current(), [])
  return {
    data: query.data,
    error: query.error,
    isFetching: query.isFetching,
    again: () => setTurn((was) => was + 1),
    keep: () => void (held.current = undefined),
    discard: drop,
  }
}
