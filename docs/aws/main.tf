# The founding experiment on AWS: one instance, an Application Load Balancer and a Network Load
# Balancer in front of it, in the default VPC of a region. docs/aws.md says what to do with it.
#
# NOT APPLIED: lbtrace has no AWS account. Its tests parse this file and check that what it refers to
# is there; nobody has run `terraform apply` on it. Read the plan before you apply it, and run
# `terraform destroy` afterwards: load balancers cost money as long as they exist.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

provider "aws" {
  region = var.region
}

variable "region" {
  description = "Where to build it."
  type        = string
  default     = "ap-northeast-2"
}

variable "my_address" {
  description = "Your address as the internet sees it: curl -s https://checkip.amazonaws.com"
  type        = string
}

variable "key_name" {
  description = "A key pair of yours in that region, for ssh to the instance."
  type        = string
}

variable "preserve_client_ip" {
  description = "Whether the NLB keeps the client's address: false is the third experiment."
  type        = bool
  default     = true
}

locals {
  app_port  = 8080
  http_port = 80
  me        = "${var.my_address}/32"
}

# The network: the default VPC, with one public subnet in each of two zones. An ALB insists on two.

data "aws_vpc" "default" {
  default = true
}

data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
  filter {
    name   = "default-for-az"
    values = ["true"]
  }
}

# The balancers admit you. The instance admits the balancers and their health checks, and you: an NLB
# that keeps the client's address delivers packets that come from your address.

resource "aws_security_group" "balancers" {
  name        = "lbtrace-lb"
  description = "lbtrace balancers"
  vpc_id      = data.aws_vpc.default.id

  ingress {
    description = "HTTP from you"
    protocol    = "tcp"
    from_port   = local.http_port
    to_port     = local.http_port
    cidr_blocks = [local.me]
  }

  egress {
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "instance" {
  name        = "lbtrace-app"
  description = "lbtrace instance"
  vpc_id      = data.aws_vpc.default.id

  ingress {
    description = "the application, from the balancers and from you"
    protocol    = "tcp"
    from_port   = local.app_port
    to_port     = local.app_port
    cidr_blocks = [data.aws_vpc.default.cidr_block, local.me]
  }

  ingress {
    description = "ssh from you"
    protocol    = "tcp"
    from_port   = 22
    to_port     = 22
    cidr_blocks = [local.me]
  }

  egress {
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

# The instance: Amazon Linux 2023 with tcpdump, and an application that divides 100 by what it is
# asked for. It keeps idle connections for 75 s, longer than the ALB's 60: no keep-alive race.

data "aws_ssm_parameter" "image" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

resource "aws_instance" "divide" {
  ami                         = data.aws_ssm_parameter.image.value
  instance_type               = "t3.micro"
  key_name                    = var.key_name
  subnet_id                   = data.aws_subnets.default.ids[0]
  vpc_security_group_ids      = [aws_security_group.instance.id]
  associate_public_ip_address = true

  user_data = <<-SCRIPT
    #!/bin/bash
    dnf install -y tcpdump
    cat >/opt/divide.py <<'PYTHON'
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


    class Divide(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 75

        def do_GET(self):
            number = self.path.rpartition("/")[2]
            divides = number.isdigit() and int(number)
            text = f"{100 / int(number):g}\n" if divides else "ok\n"
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())


    ThreadingHTTPServer(("", 8080), Divide).serve_forever()
    PYTHON
    systemd-run --unit divide python3 /opt/divide.py
  SCRIPT

  tags = {
    Name = "lbtrace"
  }
}

# The Application Load Balancer: it reads HTTP.

resource "aws_lb" "alb" {
  name               = "lbtrace-alb"
  load_balancer_type = "application"
  subnets            = slice(data.aws_subnets.default.ids, 0, 2)
  security_groups    = [aws_security_group.balancers.id]
}

resource "aws_lb_target_group" "alb" {
  name        = "lbtrace-alb"
  protocol    = "HTTP"
  port        = local.app_port
  target_type = "instance"
  vpc_id      = data.aws_vpc.default.id

  health_check {
    path     = "/health"
    interval = 10
  }
}

resource "aws_lb_target_group_attachment" "alb" {
  target_group_arn = aws_lb_target_group.alb.arn
  target_id        = aws_instance.divide.id
  port             = local.app_port
}

resource "aws_lb_listener" "alb" {
  load_balancer_arn = aws_lb.alb.arn
  protocol          = "HTTP"
  port              = local.http_port

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.alb.arn
  }
}

# The Network Load Balancer: it passes packets on.

resource "aws_lb" "nlb" {
  name               = "lbtrace-nlb"
  load_balancer_type = "network"
  subnets            = slice(data.aws_subnets.default.ids, 0, 2)
  security_groups    = [aws_security_group.balancers.id]
}

resource "aws_lb_target_group" "nlb" {
  name               = "lbtrace-nlb"
  protocol           = "TCP"
  port               = local.app_port
  target_type        = "instance"
  vpc_id             = data.aws_vpc.default.id
  preserve_client_ip = var.preserve_client_ip

  health_check {
    protocol = "TCP"
    interval = 10
  }
}

resource "aws_lb_target_group_attachment" "nlb" {
  target_group_arn = aws_lb_target_group.nlb.arn
  target_id        = aws_instance.divide.id
  port             = local.app_port
}

resource "aws_lb_listener" "nlb" {
  load_balancer_arn = aws_lb.nlb.arn
  protocol          = "TCP"
  port              = local.http_port

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.nlb.arn
  }
}

# What to type. The balancers have an address in each zone: the filter names the port alone, and
# lbtrace leaves out what does not belong to the experiment.

output "alb" {
  description = "The name of the ALB."
  value       = aws_lb.alb.dns_name
}

output "nlb" {
  description = "The name of the NLB."
  value       = aws_lb.nlb.dns_name
}

output "capture_on_the_instance" {
  description = "First: in a terminal of its own, until the requests are sent."
  value       = "ssh ec2-user@${aws_instance.divide.public_ip} \"sudo tcpdump -i any --immediate-mode -U -s 0 -w - 'tcp port ${local.app_port}'\" > backend.pcap"
}

output "capture_on_the_laptop" {
  description = "Second: on the machine that sends the requests."
  value       = "sudo tcpdump -i any --immediate-mode -U -s 0 -w client.pcap 'tcp port ${local.http_port} and (${join(" or ", [for name in [aws_lb.alb.dns_name, aws_lb.nlb.dns_name] : "host ${name}"])})'"
}

output "send_requests" {
  description = "Third, with the name of the balancer that you try."
  value       = "for n in 25 50 10 4; do curl http://${aws_lb.alb.dns_name}/divide/$n; sleep 3; done"
}
