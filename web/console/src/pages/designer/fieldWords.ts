import { defineWords, language } from '@/i18n'

/** What the keys of the language are called, and what they mean. A key with a dot is one within another. */
export const fieldWords = defineWords(
  {
    id: 'Id', title: 'Title', description: 'Description', name: 'Name', deadline: 'Deadline', onDeadline: 'When it has passed',
    after: 'Comes after', when: 'Only if', forEach: 'For each item', in: 'List', as: 'Item is called',
    index: 'Position is called', parallel: 'At the same time', max: 'At most', call: 'HTTP call', method: 'Method', url: 'URL',
    headers: 'Headers', body: 'Body', message: 'Message', topic: 'Topic', tag: 'Tag', key: 'Key', data: 'Data',
    reply: 'Answer comes on topic', worker: 'Worker task', task: 'Task', input: 'Input', subSaga: 'Sub-saga', saga: 'Saga',
    version: 'Version', timer: 'Timer', for: 'Duration', until: 'Until', signal: 'Signal', schema: 'Schema of the data',
    approval: 'Approval', prompt: 'Question', by: 'Who may answer', choice: 'Choice', cases: 'Cases', case: 'Case', else: 'Otherwise',
    repeat: 'Ask again', every: 'Every', output: 'Output', result: 'What an answer means', is: 'Means', timeout: 'Timeout',
    retry: 'Retries', first: 'First delay', attempts: 'Attempts', jitter: 'Jitter', onRefused: 'If it is refused',
    compensate: 'Compensation', readOnly: 'Changes nothing', pivot: 'No way back', 'retry.max': 'Longest delay',
    'repeat.max': 'Turns at most', 'forEach.max': 'Items at most',
  },
  {
    id: '标识', title: '标题', description: '说明', name: '名称', deadline: '截止时限', onDeadline: '超过时限后',
    after: '前置步骤', when: '执行条件', forEach: '逐项循环', in: '列表', as: '元素变量名', index: '序号变量名',
    parallel: '并发数', max: '上限', call: 'HTTP 调用', method: '方法', url: '地址', headers: '请求头', body: '请求体',
    message: '消息', topic: '主题', tag: '标签', key: '键', data: '数据', reply: '应答主题', worker: 'Worker 任务', task: '任务名',
    input: '输入', subSaga: '子 Saga', saga: 'Saga', version: '版本', timer: '定时器', for: '时长', until: '直到', signal: '信号',
    schema: '数据的 Schema', approval: '审批', prompt: '问题', by: '可审批者', choice: '分支选择', cases: '分支', case: '分支名',
    else: '其他情况', repeat: '轮询', every: '间隔', output: '输出', result: '应答判定', is: '判定为', timeout: '超时', retry: '重试',
    first: '首次延迟', attempts: '尝试次数', jitter: '抖动', onRefused: '被拒绝时', compensate: '补偿', readOnly: '不修改数据',
    pivot: '不可回退点', 'retry.max': '最长延迟', 'repeat.max': '最多轮数', 'forEach.max': '最多项数',
  },
)

export const helpWords = defineWords(
  {
    deadline: 'How long the whole may take, such as 30m or 1d.', onDeadline: 'Undo everything, or go on and be shown as late.',
    after: 'By default the step before it in the document.', when: 'An expression. If it is false the step is skipped.',
    in: 'An expression that gives a list.', as: '“item” if empty.', index: '“index” if empty.', url: 'Expressions in ${ } are escaped.',
    headers: 'One a line: name: value.', body: 'YAML or JSON. Texts may hold ${expressions}.', key: 'By default the run and the step.',
    reply: 'Without it the step is done when the broker has the message.', task: 'The name by which programs fetch it.',
    'subSaga.version': 'Empty: the newest.', 'timer.until': 'An expression that gives a time as RFC 3339.',
    by: 'Roles or people, separated by commas.', else: 'The name of the case if none fits.',
    output: 'What later steps see: name: ${expression}. Empty: the whole answer.',
    result: 'The first rule that fits counts. Otherwise 2xx is done, 409 and 422 are refused, the rest is tried again.',
    timeout: 'Of one attempt; of a signal or approval, of the whole wait.', 'repeat.until': 'An expression over status, headers, body, and attempt.',
    jitter: '0.2 spreads delays by 20 %.', onRefused: 'Undo what was done, go on as if it were done, or go on with another step.',
    compensate: 'What undoes the step. It has to stand that the step has not happened.',
    readOnly: 'Nothing has to be undone.', pivot: 'When it is done nothing is undone any more; what follows is tried until it is done.',
    input: 'A JSON Schema (2020-12) that the input has to fit.', 'worker.input': 'What the program gets: YAML or JSON.',
    'subSaga.input': 'What the other saga gets: YAML or JSON.', schema: 'A JSON Schema that the data has to fit.',
    'saga.output': 'What the saga gives when it is done.', first: 'It doubles with each attempt.',
    attempts: 'Empty: as long as it takes.',
  },
  {
    deadline: '整个流程允许的总时长，例如 30m 或 1d。', onDeadline: '撤销已完成的步骤，或继续执行并标记为超时。',
    after: '默认为文档中的上一个步骤。', when: '表达式；为假时跳过该步骤。', in: '结果为列表的表达式。', as: '留空则为 item。',
    index: '留空则为 index。', url: '${ } 中的表达式会自动转义。', headers: '每行一个：名称: 值。', body: 'YAML 或 JSON，文本中可使用 ${表达式}。',
    key: '默认为运行与步骤的标识。', reply: '不填则消息写入 broker 后步骤即完成。', task: '程序按此名称领取任务。',
    'subSaga.version': '留空则使用最新版本。', 'timer.until': '结果为 RFC 3339 时间的表达式。', by: '角色或人员，用逗号分隔。',
    else: '没有匹配的条件时走的分支名。', output: '后续步骤可见的内容：名称: ${表达式}。留空则为完整应答。',
    result: '以第一条匹配的规则为准；否则 2xx 为完成，409 和 422 为拒绝，其余会重试。', timeout: '单次尝试的超时；对信号和审批则为整个等待时间。',
    'repeat.until': '可使用 status、headers、body、attempt 的表达式。', jitter: '0.2 表示延迟浮动 20%。',
    onRefused: '撤销已完成的步骤、视为完成继续，或转到另一个步骤。', compensate: '用于撤销该步骤；必须能承受步骤实际未执行的情况。',
    readOnly: '无需撤销。', pivot: '完成后不再补偿，后续步骤会一直重试直到完成。', input: '输入必须符合的 JSON Schema（2020-12）。',
    'worker.input': '程序得到的内容：YAML 或 JSON。', 'subSaga.input': '传给子 Saga 的内容：YAML 或 JSON。',
    schema: '数据必须符合的 JSON Schema。', 'saga.output': '流程完成后给出的结果。', first: '每次尝试后加倍。', attempts: '留空则一直尝试。',
  },
)

type Label = keyof (typeof fieldWords)['en']
type Help = keyof (typeof helpWords)['en']

function found<Key extends string>(words: Readonly<Record<Key, string>>, within: string, key: string): string | undefined {
  const all = words as Readonly<Record<string, string>>
  return all[`${within}.${key}`] ?? all[key]
}

/** labelOf is what a key is called; the key itself if it has no name. */
export function labelOf(within: string, key: string): string {
  return found<Label>(fieldWords[language()], within, key) ?? key
}

/** helpOf says what a key means, if that is not plain. */
export function helpOf(within: string, key: string): string | undefined {
  return found<Help>(helpWords[language()], within, key)
}
